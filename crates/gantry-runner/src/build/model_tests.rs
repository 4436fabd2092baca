//! Dockerfiles as they are read.

use super::*;

const WHOLE: &str = r#"# syntax=docker/dockerfile:1
# a comment
ARG BASE=debian TAG=${NONE:-12}
FROM --platform=$TARGETPLATFORM ${BASE}:$TAG AS Build
ARG VERSION=1
ENV A=1 B="two words" \
    # in between
    C='x'
ENV OLD some  value
RUN apt-get update \
    # why
    && apt-get install -y x
RUN ["echo", "a \"b\""]
RUN <<EOF
echo one
echo two
EOF
FROM scratch
COPY --from=build --chown=1:2 --chmod=755 /a /b/
COPY --from=0 ["with space", "/c/"]
ADD x.tar /d
WORKDIR /w
USER app
SHELL ["/bin/bash", "-c"]
LABEL a=b
EXPOSE 80
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
MAINTAINER somebody
ENTRYPOINT ["/entry"]
CMD run me
"#;

#[test]
fn every_supported_instruction_is_read() {
    let file = Dockerfile::read(WHOLE).unwrap();
    assert!(file.notes[0].contains("docker/dockerfile:1"), "{:?}", file.notes);
    let [build, last] = &file.stages[..] else { panic!("{:?}", file.stages) };
    assert_eq!(build.base, Base::Image("debian:12".into()));
    assert_eq!(build.name.as_deref(), Some("build"));
    let kinds: Vec<&Kind> = build.steps.iter().map(|s| &s.kind).collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(kinds[0], &Kind::Arg(vec![("VERSION".into(), Some("1".into()))]));
    let env = vec![pair("A", "1"), pair("B", "\"two words\""), pair("C", "'x'")];
    assert_eq!(kinds[1], &Kind::Env(env));
    assert_eq!(kinds[2], &Kind::Env(vec![pair("OLD", "some  value")]));
    let Kind::Run(Command::Shell(text)) = kinds[3] else { panic!("{kinds:?}") };
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words.join(" "), "apt-get update && apt-get install -y x");
    assert_eq!(kinds[4], &Kind::Run(Command::Exec(vec!["echo".into(), "a \"b\"".into()])));
    assert_eq!(kinds[5], &Kind::Run(Command::Shell("echo one\necho two\n".into())));
    assert_eq!(build.steps[3].line, 10);
    assert_eq!(build.steps[3].text, "RUN apt-get update && apt-get install -y x");
    assert_eq!(last.base, Base::Scratch);
    let Kind::Copy(copy) = &last.steps[0].kind else { panic!("{last:?}") };
    assert_eq!(copy.from, Some(Base::Stage(0)));
    assert_eq!((copy.chown.as_deref(), copy.chmod.as_deref()), (Some("1:2"), Some("755")));
    let Kind::Copy(copy) = &last.steps[1].kind else { panic!("{last:?}") };
    assert_eq!((copy.sources.join("|"), copy.target.as_str()), ("with space".to_owned(), "/c/"));
    let Kind::Copy(copy) = &last.steps[2].kind else { panic!("{last:?}") };
    assert!(copy.add);
    assert_eq!(last.steps[5].kind, Kind::Shell(vec!["/bin/bash".into(), "-c".into()]));
    assert_eq!(last.steps.iter().filter(|s| s.kind == Kind::Noted).count(), 6);
    assert_eq!(last.steps.last().unwrap().kind, Kind::Cmd(Command::Shell("run me".into())));
    assert_eq!(file.needed(), [true, true]);
}

#[test]
fn stages_that_nobody_needs_are_left_out() {
    let file = Dockerfile::read(
        "FROM a AS one\nFROM b AS two\nFROM one AS three\nFROM c\nCOPY --from=THREE /x /x\nCOPY --from=other:1 /y /y\n",
    )
    .unwrap();
    assert_eq!(file.stages[2].base, Base::Stage(0));
    assert_eq!(file.needed(), [true, false, true, true]);
    let Kind::Copy(copy) = &file.stages[3].steps[1].kind else { panic!() };
    assert_eq!(copy.from, Some(Base::Image("other:1".into())));
}

#[test]
fn the_escape_directive_is_heard() {
    let file = Dockerfile::read("# escape=`\nFROM a\nRUN one `\n  two \\\n").unwrap();
    let Kind::Run(Command::Shell(text)) = &file.stages[0].steps[0].kind else { panic!() };
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words, ["one", "two", "\\"]);
}

#[test]
fn what_is_not_supported_is_refused_by_name_and_line() {
    for (text, line, part) in [
        ("FROM a\nONBUILD RUN x\n", 2, "`ONBUILD` is not supported"),
        ("FROM a\n\nRUN --mount=type=cache,target=/x y\n", 3, "`RUN --mount`"),
        ("FROM a\nRUN --network=host y\n", 2, "`RUN --network`"),
        ("FROM a\nADD https://example.com/x /x\n", 2, "`ADD https://example.com/x` fetches"),
        ("FROM a\nADD --checksum=sha256:0 x /x\n", 2, "`ADD --checksum`"),
        ("FROM a\nCOPY --parents x /x\n", 2, "`COPY --parents`"),
        ("FROM a\nCOPY --from=4 x /x\n", 2, "names no stage before"),
        ("FROM a AS b\nCOPY --from=b x /x\n", 2, "names no stage before"),
        ("FROM a\nCOPY <<E /x\ntext\nE\n", 2, "`COPY` of a here-document"),
        ("FROM --platform=linux/s390x a\n", 1, "`--platform=linux/s390x`"),
        ("ARG X\nFROM $X\n", 2, "names no image"),
        ("FROM a\nRUN <<E\n#!/usr/bin/env python3\nE\n", 2, "here-document of `RUN`"),
        ("FROM a\nFROBNICATE\n", 2, "FROBNICATE"),
        ("RUN x\n", 1, "FROM"),
        ("FROM ${A:x}\n", 1, "is not supported"),
    ] {
        let problem = Dockerfile::read(text).unwrap_err();
        assert_eq!(problem.line, line, "{text}: {problem:?}");
        assert!(problem.text.contains(part), "{text}: {problem:?}");
    }
    assert!(Dockerfile::read("").is_err());
    let many = format!("FROM a\n{}", "USER x\n".repeat(MAX_INSTRUCTIONS));
    assert!(Dockerfile::read(&many).unwrap_err().text.contains("MAX_INSTRUCTIONS"));
    let stages = "FROM a\n".repeat(MAX_STAGES + 1);
    assert!(Dockerfile::read(&stages).unwrap_err().text.contains("MAX_STAGES"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(
        lines in proptest::collection::vec(
            "(FROM a|RUN|COPY|ADD|ENV|ARG|CMD|#)?[ \\[\\]\"'${}:<=a-zE,\\\\\n\t-]{0,16}", 0..8usize,
        )
    ) {
        let _ = Dockerfile::read(&lines.join("\n"));
    }
}
