//! `gantry workflow lsp` as an editor meets it: the real process and real messages.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lsp_server::{Message, Notification, Request};
use serde_json::{Value, json};

const WORKFLOW: &str = "on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{uses: ./x y}, {run: 'true'}]
  b:
    needs: a
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
";

struct Editor {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    asked: i32,
}

impl Editor {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(["workflow", "lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the language server");
        let to = child.stdin.take().expect("its input");
        let from = BufReader::new(child.stdout.take().expect("its output"));
        let mut editor = Self { child, to, from, asked: 0 };
        let about = editor.ask("initialize", json!({"capabilities": {}}));
        assert_eq!(about["serverInfo"]["name"], "gantry");
        editor.tell("initialized", json!({}));
        editor
    }

    fn send(&mut self, message: impl Into<Message>) {
        message.into().write(&mut self.to).expect("the server reads");
    }

    fn next(&mut self) -> Message {
        Message::read(&mut self.from).expect("a message").expect("not the end")
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        self.send(Request::new(self.asked.into(), method.to_owned(), params));
        let Message::Response(response) = self.next() else { panic!("no answer to {method}") };
        let response = serde_json::to_value(response).expect("JSON");
        response.get("result").cloned().unwrap_or_else(|| response["error"].clone())
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(Notification::new(method.to_owned(), params));
    }

    /// The problems that a change brings about.
    fn problems(&mut self, method: &str, params: Value) -> Vec<Value> {
        self.tell(method, params);
        let Message::Notification(said) = self.next() else { panic!("no problems") };
        assert_eq!(said.method, "textDocument/publishDiagnostics");
        said.params["diagnostics"].as_array().expect("a list").clone()
    }

    fn leave(mut self) -> i32 {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        self.child.wait().expect("an end").code().expect("a code")
    }
}

fn address(path: &Path) -> String {
    format!("file://{}", path.display()).replace(' ', "%20")
}

#[test]
fn an_editor_sees_problems_an_outline_and_where_names_lead() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(dir.path().join(".git")).expect("a repository");
    let workflows = dir.path().join(".github/workflows");
    std::fs::create_dir_all(&workflows).expect("a folder");
    std::fs::create_dir_all(dir.path().join("x y")).expect("a folder");
    let action = dir.path().join("x y/action.yml");
    std::fs::write(&action, "name: x\n").expect("a file");
    let uri = address(&workflows.join("ci.yml"));
    let mut editor = Editor::start();

    let broken = WORKFLOW.replace("needs: a", "needs: ä");
    let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": broken});
    let found = editor.problems("textDocument/didOpen", json!({"textDocument": document}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["source"], "gantry");
    assert_eq!(found[0]["range"]["start"], json!({"line": 6, "character": 11}));
    let change =
        json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": WORKFLOW}]});
    assert_eq!(editor.problems("textDocument/didChange", change), Vec::<Value>::new());

    let here = json!({"uri": uri});
    let outline = editor.ask("textDocument/documentSymbol", json!({"textDocument": here}));
    let jobs: Vec<_> = outline.as_array().expect("a list").iter().map(|job| &job["name"]).collect();
    assert_eq!(jobs, ["a", "b"]);
    let go = |line: u32, character: u32| json!({"textDocument": here, "position": {"line": line, "character": character}});
    let job = editor.ask("textDocument/definition", go(6, 11));
    assert_eq!(
        (&job["uri"], &job["range"]["start"]),
        (&json!(uri), &json!({"line": 2, "character": 2}))
    );
    let file = editor.ask("textDocument/definition", go(4, 22));
    assert_eq!(file["uri"], json!(address(&action)));
    assert_eq!(editor.ask("textDocument/definition", go(0, 0)), Value::Null);

    let error = editor.ask("textDocument/hover", go(0, 0));
    assert!(error["message"].as_str().is_some_and(|m| m.contains("not supported")), "{error}");
    let closed = editor.problems("textDocument/didClose", json!({"textDocument": here}));
    assert_eq!(closed, Vec::<Value>::new());
    assert_eq!(editor.leave(), 0);
}

#[test]
fn what_is_no_workflow_is_left_alone_and_an_editor_that_dies_ends_the_server() {
    let mut editor = Editor::start();
    let text = "version: 2\n";
    let document = json!({"uri": "file:///r/.github/dependabot.yml", "languageId": "yaml", "version": 1, "text": text});
    let found = editor.problems("textDocument/didOpen", json!({"textDocument": document}));
    assert_eq!(found, Vec::<Value>::new());
    let Editor { mut child, to, from, .. } = editor;
    drop((to, from));
    assert_eq!(child.wait().expect("an end").code(), Some(1));
}
