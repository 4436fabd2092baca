//! Actions whose image is built from their Dockerfile.

use std::path::Path;

use libtest_mimic::Trial;

use super::docker::run;
use super::support::{Done, Fixture, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("an_action_is_built_from_its_dockerfile_and_run", whole),
        trial("a_build_that_fails_fails_the_step_with_its_output", fails),
        trial("a_build_finds_what_its_own_ref_built_and_nothing_else", kept),
        trial("a_build_has_the_network_rules_of_the_job", network),
        trial("an_action_of_another_repository_is_built_and_has_a_first_part", registered),
        trial("what_a_dockerfile_cannot_have_is_named_with_its_line", refused),
        trial("a_dockerfile_needs_containers", process),
    ]
}

/// What the log says of an instruction that was not run again.
const KNOWN: &str = "(as built before)";

const ACTION: &str = "inputs:\n  who: { default: world }\nruns:\n  using: docker\n  image: Dockerfile\n  \
    args: ['to ${{ inputs.who }}', second]\n  env: { EXTRA: '${{ inputs.who }}' }\n  post-entrypoint: /post.sh\n";

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
ARG BASE=tools
FROM ${BASE} AS build
ARG NAME=built
WORKDIR /src
COPY parts/ ./parts/
RUN echo "say $NAME in $PWD as $(id -u), ${GITHUB_REPOSITORY:-no job}" \
    # between
    && cat parts/*.txt > whole.txt && ls parts

FROM tools AS never
RUN echo "nobody needs this" && exit 1

FROM tools
LABEL a=b
EXPOSE 80
ENV GREETING="hello there"
COPY --from=build --chmod=640 /src/whole.txt /data/
COPY --chown=12:34 --chmod=755 entry.sh post.sh /
RUN <<EOF
echo "the first" > /data/first
cat /data/whole.txt
EOF
USER 12:34
RUN echo "as $(id -u):$(id -g)"
USER 0
ENTRYPOINT ["/entry.sh"]
CMD ["default"]
"#;

const ENTRY: &str = "#!/bin/sh\nset -e\necho \"args: $* in $PWD\"\n\
    echo \"$GREETING $INPUT_WHO $EXTRA, $(cat /data/first)\"\nls -n /entry.sh /data/whole.txt\n\
    echo \"o=$INPUT_WHO\" >> \"$GITHUB_OUTPUT\"\necho \"k=kept\" >> \"$GITHUB_STATE\"\n";

fn action(steps: &str) -> Fixture {
    Fixture::steps(&format!("- uses: actions/checkout@v4\n{steps}"))
        .file("act/action.yml", ACTION)
        .file("act/Dockerfile", DOCKERFILE)
        .file("act/.dockerignore", "parts/secret*\n")
        .file("act/parts/a.txt", "part a\n")
        .file("act/parts/b.txt", "part b\n")
        .file("act/parts/secret.txt", "never\n")
        .file("act/entry.sh", ENTRY)
        .file("act/post.sh", "#!/bin/sh\necho \"post $STATE_k\"\n")
}

fn known(done: &Done) -> usize {
    done.out().iter().filter(|line| line.ends_with(KNOWN)).count()
}

async fn whole() {
    let fixture = action(
        "- id: a\n  uses: ./act\n  with: { who: all }\n- run: echo \"out ${{ steps.a.outputs.o }}\"\n- uses: ./act",
    );
    let Some(done) = run(fixture).await else { return };
    done.assert_success();
    done.assert_has(&[
        "say built in /src as 0, no job",
        "part a",
        "part b",
        "args: to all second in /github/workspace",
        "as 12:34",
        "hello there all all, the first",
        "out all",
        "post kept",
        "hello there world world, the first",
    ]);
    let text = done.text();
    assert!(!text.contains("never\n") && !text.contains("secret.txt"), "{text}");
    assert!(!text.contains("nobody needs this"), "{text}");
    let modes = |name: &str| {
        let line = done.out().into_iter().find(|l| l.ends_with(name) && l.starts_with('-'));
        let words: Vec<String> =
            line.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        words.get(..4).map(|w| w.join(" "))
    };
    assert_eq!(modes("/entry.sh").as_deref(), Some("-rwxr-xr-x 1 12 34"), "{text}");
    assert_eq!(modes("/data/whole.txt").as_deref(), Some("-rw-r----- 1 0 0"), "{text}");
    assert_eq!(known(&done), 7, "the second use finds every change of files: {text}");
}

async fn fails() {
    let dockerfile =
        "FROM tools\nRUN echo before && \\\n    echo oops >&2 && \\\n    exit 9\nRUN echo after\n";
    let Some(done) = run(action("- uses: ./act").file("act/Dockerfile", dockerfile)).await else {
        return;
    };
    assert_eq!(
        done.verdict(),
        "failure/user: the image cannot be built: step `Run ./act` exited with code 9 (act/Dockerfile:2)"
    );
    done.assert_has(&["before", "oops"]);
    assert!(!done.has("after"), "{}", done.text());
}

async fn kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let of = |dir: &Path, repository: &'static str, git_ref: &'static str, part: &str| {
        let mut fixture = action("- uses: ./act").file("act/parts/a.txt", part);
        fixture.state_dir = Some(dir.to_owned());
        fixture.repository = repository;
        fixture.git_ref = git_ref;
        fixture
    };
    let main = "refs/heads/main";
    let mut counts = Vec::new();
    for (repository, git_ref, part) in [
        ("acme/lib", main, "one\n"),
        ("acme/lib", main, "one\n"),
        ("acme/lib", "refs/pull/7/merge", "one\n"),
        ("acme/other", main, "one\n"),
        ("acme/lib", main, "two\n"),
    ] {
        let Some(done) = run(of(dir.path(), repository, git_ref, part)).await else { return };
        done.assert_success();
        let shown = done.out().iter().filter(|l| **l == part.trim_end()).count();
        counts.push((known(&done), shown));
    }
    // The directory is found; what depends on the changed file is not.
    assert_eq!(counts, [(0, 1), (7, 0), (0, 1), (0, 1), (1, 1)]);
}

async fn network() {
    let dockerfile = "FROM tools\nRUN getent hosts nowhere.example.org || echo \"not found\"\n";
    let fixture = action("- uses: ./act").file("act/Dockerfile", dockerfile);
    let Some(done) = run(fixture).await else { return };
    done.assert_has(&["not found"]);
    let denied: Vec<&str> = done.end.denials.iter().map(|d| d.host.as_str()).collect();
    assert!(denied.contains(&"nowhere.example.org"), "{denied:?}");
}

async fn registered() {
    let mut fixture = Fixture::steps("- uses: acme/actions/act@main\n  with: { who: you }");
    let action = "inputs: { who: {} }\nruns:\n  using: docker\n  image: image/own.Dockerfile\n  \
        args: [-c, 'echo \"main $STATE_first for $INPUT_WHO: $(cat /from)\"']\n  pre-entrypoint: /first.sh\n";
    let other = Fixture::steps("- run: 'true'")
        .hub(&fixture.hub)
        .file("act/action.yml", action)
        .file("act/image/from", "its own context\n")
        .file("act/image/first.sh", "#!/bin/sh\necho first\necho first=1 >> \"$GITHUB_STATE\"\n")
        .file(
            "act/image/own.Dockerfile",
            "FROM tools\nCOPY . /\nRUN [\"sh\", \"-c\", \"echo $0\", \"exec form\"]\n\
             COPY --chmod=755 first.sh /\nENTRYPOINT [\"/bin/sh\"]\n",
        );
    fixture.repositories.insert("acme/actions".to_owned(), other.source());
    let Some(done) = run(fixture).await else { return };
    done.assert_success();
    done.assert_has(&["exec form", "first", "main 1 for you: its own context"]);
}

async fn refused() {
    let cases = [
        ("ONBUILD RUN x", "act0/Dockerfile:2: `ONBUILD` is not supported"),
        ("ADD https://example.org/x /x", "act1/Dockerfile:2: `ADD https://example.org/x` fetches"),
        (
            "COPY none /x",
            "act2/Dockerfile:2: step `Run ./act2`: the source `none` is not in the build context",
        ),
        (
            "COPY --chmod=u+x Dockerfile /x",
            "act3/Dockerfile:2: `--chmod=u+x` is not an octal number",
        ),
        ("USER nobody-of-it\nRUN id", "the image below: its user `nobody-of-it`"),
        ("FROM docker-archive:/x", "a file of the machine, `docker-archive:/x`"),
        ("RUN <<E\n#!/usr/bin/python\nE", "act6/Dockerfile:2: a here-document of `RUN`"),
        ("FROBNICATE x", "FROBNICATE"),
    ];
    let steps: Vec<String> = (0..=cases.len())
        .map(|at| format!("- uses: ./act{at}\n  continue-on-error: true"))
        .collect();
    let mut fixture = Fixture::steps(&format!("- uses: actions/checkout@v4\n{}", steps.join("\n")));
    let action = "runs:\n  using: docker\n  image: Dockerfile\n";
    for (at, (line, _)) in cases.iter().enumerate() {
        fixture = fixture
            .file(&format!("act{at}/action.yml"), action)
            .file(&format!("act{at}/Dockerfile"), &format!("FROM tools\n{line}\n"));
    }
    let last = cases.len();
    let fixture = fixture.file(&format!("act{last}/action.yml"), action);
    let Some(done) = run(fixture).await else { return };
    done.assert_success();
    let text = done.text();
    for (_, wanted) in cases {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
    assert!(
        text.contains(&format!("needs the Dockerfile `act{last}/Dockerfile`, which is not there"))
    );
}

async fn process() {
    let verdict = action("- uses: ./act").run().await.verdict();
    assert!(verdict.starts_with("failure/policy: "), "{verdict}");
    assert!(verdict.contains("is built from `act/Dockerfile`, in containers"), "{verdict}");
}
