// The workflow files of the repository that the tests run.

/** Needs, a matrix, colours, a group, an annotation, an artifact and a summary. */
const CI = `name: CI
on: [push, workflow_dispatch]
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - name: Colours
        run: printf '\\033[32mgreen\\033[0m and plain\\n'
  test:
    needs: lint
    runs-on: ubuntu-latest
    strategy:
      matrix:
        shard: [1, 2, 3]
    steps:
      - name: Many lines
        run: |
          echo "::group::One to fifty"
          seq 1 50
          echo "::endgroup::"
          echo "needle-\${{ matrix.shard }}"
  report:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - name: Report
        run: |
          echo "::warning file=src/a.c,line=3::a variable is not used"
          printf '# Covered\\n\\n| part | lines |\\n|---|---|\\n| api | **91 %%** |\\n' >> "$GITHUB_STEP_SUMMARY"
          mkdir out && echo hello > out/file.txt
      - uses: actions/upload-artifact@v4
        with: { name: result, path: out }
`;

/** A summary that tries to do harm. */
const HARM = `name: Harm
on: workflow_dispatch
jobs:
  write:
    runs-on: ubuntu-latest
    steps:
      - name: Write
        run: |
          echo '# Covered' >> "$GITHUB_STEP_SUMMARY"
          echo '**91 %** of the lines <script>window.harm = 1</script>' >> "$GITHUB_STEP_SUMMARY"
          echo '<a href="javascript:window.harm=2">press</a> <p style="color:red" onclick="window.harm=3">styled</p>' >> "$GITHUB_STEP_SUMMARY"
          echo '![a badge](https://elsewhere.example/pixel.png) <iframe src="https://elsewhere.example"></iframe>' >> "$GITHUB_STEP_SUMMARY"
`;

/** Runs until it is told to end. */
const SLOW = `name: Slow
on:
  workflow_dispatch:
    inputs:
      target: { type: choice, options: [staging, production], default: production, description: Where it goes }
      note: { type: string, required: true, description: Shown in the log }
      quick: { type: boolean, default: true }
jobs:
  wait:
    runs-on: ubuntu-latest
    steps:
      - name: Wait
        run: |
          echo "to \${{ inputs.target }}: \${{ inputs.note }} (\${{ inputs.quick }})"
          for n in $(seq 1 6000); do echo "line $n"; sleep 0.1; done
`;

const FAILING = `name: Failing
on: workflow_dispatch
jobs:
  break:
    runs-on: ubuntu-latest
    steps:
      - name: Fine
        run: echo fine
      - name: Broken
        run: |
          seq 1 200
          echo "::error file=src/b.c,line=7::it does not hold"
          exit 3
`;

/** 100,000 lines. */
const LONG = `name: Long
on: workflow_dispatch
jobs:
  lines:
    runs-on: ubuntu-latest
    steps:
      - name: Lines
        run: seq -f 'line number %.0f of a long log' 1 100000
`;

export const FILES: Record<string, string> = {
  ".github/workflows/ci.yml": CI,
  ".github/workflows/harm.yml": HARM,
  ".github/workflows/slow.yml": SLOW,
  ".github/workflows/failing.yml": FAILING,
  ".github/workflows/long.yml": LONG,
  "src/a.c": "int a;\n",
};
