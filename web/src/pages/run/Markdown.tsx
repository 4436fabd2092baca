// A step's Markdown summary. It comes from a job, so nothing in it is trusted: no script, no style, no form, no frame,
// nothing that is loaded from elsewhere.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useMemo } from "react";

/** Headings of a summary stand below those of the page. */
const marked = new Marked({
  renderer: {
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
  },
});

export function render(text: string): string {
  const html = marked.parse(text, { async: false, gfm: true });
  return DOMPurify.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "dialog", "video", "audio", "picture", "source", "img"],
    FORBID_ATTR: ["style", "id", "name", "class", "srcset", "autofocus", "tabindex"],
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  });
}

DOMPurify.addHook("uponSanitizeElement", (node, data) => {
  // An image would tell another server who looks: its description stands instead.
  if (data.tagName === "img" && node instanceof Element && node.parentNode) {
    node.replaceWith(document.createTextNode(node.getAttribute("alt") ?? ""));
  }
});
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A" || !node.hasAttribute("href")) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noreferrer noopener nofollow");
});

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => render(text), [text]);
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
