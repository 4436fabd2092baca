//! Jobs in a real Debian image: by `container:` and by label, with packages installed through the egress
//! rules, as root and as the runner user with `sudo`; and an action that is built on it.

use gantry_e2e::gantry::Gantry;
use gantry_e2e::image::{Mirror, debian};
use gantry_testkit::{program, skip};
use serde_json::Value;

const CI: &str = r#"name: Image
on: push
env:
  DEBIAN_FRONTEND: noninteractive
jobs:
  container:
    runs-on: ubuntu-latest
    container:
      image: debian-small
      env: { ABOVE: container }
    steps:
      - uses: actions/checkout@v4
      - name: the image's variables
        run: |
          test "$(of-the-image)" = "of the image"
          test "$IMAGE_SAYS $ABOVE" = "heard container"
          case "$PATH" in /opt/image/bin:*) ;; *) echo "PATH is $PATH"; exit 1;; esac
          test "$(. /etc/os-release; echo "$VERSION_CODENAME")" = RELEASE
          test "$(id -u) $HOME $(cat here.txt)" = "0 /root here"
      - name: root installs a package
        run: |
          apt-get -q update
          apt-get -q install --yes --no-install-recommends hello
          hello
      - name: and the next step has it
        run: |
          test "$(command -v hello)" = /usr/bin/hello
          test "$(stat -c %U:%G /usr/bin/hello /var/cache/apt/archives/partial | tr '\n' ' ')" = "root:root _apt:root "
  label:
    runs-on: debian-small
    steps:
      - uses: actions/checkout@v4
      - name: the runner user
        run: test "$(id -un) $HOME $(of-the-image) $(stat -c %U here.txt)" = "runner /home/runner of the image runner"
      - name: may not write to the system
        run: '! touch /usr/bin/x 2>/dev/null'
      - name: sudo installs a package
        run: |
          sudo apt-get -q update
          sudo apt-get -q install --yes --no-install-recommends hello
          hello
      - name: users and groups can be made
        run: |
          sudo useradd --create-home builder
          sudo -u builder sh -c 'test "$(id -un)" = builder && touch ~/file'
          test "$(sudo stat -c %U:%G /home/builder/file)" = builder:builder
  built:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: act
        uses: ./act
        with: { who: everybody }
      - run: test "${{ steps.act.outputs.said }}" = "Hello, everybody!"
  hosts:
    runs-on: ubuntu-latest
    container: oci-layout:/
    steps:
      - run: echo never
"#;

/// An action whose image is built on the Debian image, with a package of its own.
const ACTION: [(&str, &str); 3] = [
    (
        "action.yml",
        "inputs: { who: { required: true } }\noutputs: { said: { description: what was said } }\n\
         runs:\n  using: docker\n  image: Dockerfile\n  args: ['${{ inputs.who }}']\n",
    ),
    (
        "Dockerfile",
        "FROM debian-small AS fetch\nARG DEBIAN_FRONTEND=noninteractive\n\
         RUN apt-get -q update && apt-get -q install --yes --no-install-recommends hello\n\
         FROM debian-small\nCOPY --from=fetch /usr/bin/hello /usr/local/bin/\nCOPY entry.sh /entry.sh\n\
         RUN [\"chmod\", \"+x\", \"/entry.sh\"]\nENTRYPOINT [\"/entry.sh\"]\n",
    ),
    (
        "entry.sh",
        "#!/bin/sh\nset -e\ntest ! -e /usr/bin/hello\necho \"said=$(hello -g \"Hello, $1!\")\" >> \"$GITHUB_OUTPUT\"\n",
    ),
];

fn of<'a>(jobs: &'a [Value], id: &str) -> &'a Value {
    jobs.iter().find(|j| j["key"] == id).unwrap_or_else(|| panic!("no job {id} in {jobs:#?}"))
}

#[test]
fn jobs_run_in_a_debian_image_and_install_packages() -> anyhow::Result<()> {
    let Some(mirror) = Mirror::of_this_machine() else {
        skip("this machine names no Debian archive");
        return Ok(());
    };
    if !program("debootstrap") {
        return Ok(());
    }
    let image = debian(&mirror)?;
    let hub = tempfile::tempdir()?;
    let workflows = hub.path().join("app/.github/workflows");
    std::fs::create_dir_all(&workflows)?;
    std::fs::write(workflows.join("ci.yml"), CI.replace("RELEASE", &mirror.release))?;
    std::fs::write(hub.path().join("app/here.txt"), "here\n")?;
    std::fs::create_dir(hub.path().join("app/act"))?;
    for (name, text) in ACTION {
        std::fs::write(hub.path().join("app/act").join(name), text)?;
    }
    let file = format!(
        "repos:\n  app:\n    source: ./app\n    owner: images\n    allowed_egress: [{}]\n    \
         images: {{ debian-small: \"oci-layout:{}\" }}\n",
        mirror.host(),
        image.display()
    );
    std::fs::write(hub.path().join("gantry.yaml"), file)?;
    let gantry = Gantry::new()?;
    let called = gantry.call(&["run", "--hub", &hub.path().to_string_lossy()])?;
    println!("{}\n{}", called.stdout, called.stderr);
    let jobs = gantry.telemetry("job")?;
    assert_eq!(of(&jobs, "container")["status"], "success");
    assert_eq!(of(&jobs, "label")["status"], "success");
    assert_eq!(of(&jobs, "built")["status"], "success");
    // A workflow may not read the machine's files by way of an image.
    assert_eq!(of(&jobs, "hosts")["status"], "failed");
    assert_eq!(of(&jobs, "hosts")["fault"], "policy");
    assert_eq!(called.code, 1);
    Ok(())
}
