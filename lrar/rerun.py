"""The box at the head of a chapter: what it takes to make the chapter again, and where that can be done.

The box is added when the book is built; the notebooks themselves hold no time and no place. Buttons that open the
notebook elsewhere need to know where the repository lies: `LRAR_REPOSITORY`, for instance
`https://github.com/owner/lrar`, and `LRAR_HUB`, the address of a JupyterHub with nbgitpuller. What is not given, has no
button.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import nbformat

from lrar import wording
from lrar.places import ROOT
from lrar.replay import LIVE, Runs
from lrar.studies import ROWS
from lrar.table import Table, counted

NOTEBOOKS = ROOT / "notebooks"
FAILED = ".failed.ipynb"  # ending of what an execution that failed leaves beside a notebook
INSTALL_CELL = "install"
MEANINGS = {
    "dataset": "whose clips: `synthetic`, `ixmas6`, `ixmas`, `hmdb21`, `hmdb51`, or `folder-NAME` for a folder of your own",
    "profile": "how large a study is: `full`, or `quick`, one briefly trained fold of a thinned set",
    "records": "where the records lie; with `quick`, runs that have none are trained and put there",
}

INSTALL = """\
# Where lrar is not installed, as on Colab or on a hub, it is fetched first.
import importlib.util
{imports}
if importlib.util.find_spec("lrar") is None:
    source = {source}
    %pip install --quiet {{source}}"""


def committed_notebooks(folder: Path = NOTEBOOKS) -> list[Path]:
    """The chapters in order, without what a failed execution has left beside them."""
    return [path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if not path.name.endswith(FAILED)]


def install_source(repository: str) -> str:
    """The code of the first cell of every notebook.

    Args:
        repository: where pip finds the project when the notebook is not in a clone of it; empty where that is not known.
    """
    if not repository:
        return INSTALL.format(imports="", source='".."  # the clone around the notebook')
    source = f'".." if Path("../pyproject.toml").exists() else "git+{repository}"'
    return INSTALL.format(imports="from pathlib import Path\n", source=source)


def with_install_cell(notebook: nbformat.NotebookNode, repository: str) -> None:
    """Put the cell that installs the library before all other code, in place.

    Args:
        notebook: changed in place.
        repository: as in `install_source`; empty keeps the one that a notebook knows already.
    """
    first = next(number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    if notebook.cells[first].id == INSTALL_CELL:
        if not repository:
            return
        del notebook.cells[first]
    tags = {"tags": ["install", "remove-cell"]}
    cell = nbformat.v4.new_code_cell(install_source(repository), id=INSTALL_CELL, metadata=tags)
    notebook.cells.insert(first, cell)


def shown_rows(notebook: nbformat.NotebookNode) -> tuple[str, ...]:
    """The rows whose runs stand behind the numbers in the tables of an executed notebook."""
    tables_shown = [
        output.get("data", {}).get("text/html", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    found = dict.fromkeys(re.findall(r'<span data-row="(\w+)"', "".join(tables_shown)))
    return tuple(row for row in found if row in ROWS)


def box(name: str, *, parameters: dict[str, str], runs: Runs) -> str:
    """The box of a chapter, in Markdown.

    Args:
        name: of the notebook.
        parameters: that the chapter was made with.
        runs: the records of its rows.
    """
    options = " ".join(f"-p {key} {shlex.quote(value)}" for key, value in parameters.items())
    body = tuple((f"`{key}`", f"`{value}`", MEANINGS[key]) for key, value in parameters.items())
    table = Table(caption="", head=("parameter", "value here", "meaning"), body=body).markdown()
    buttons = "".join(f"\n{button}" for button in launch_buttons(name))
    return f"""::::{{dropdown}} Run this chapter again: {_time(runs)}
:class-container: lrar-rerun

{_work(runs)}

```bash
cd notebooks
papermill {name}.ipynb ../mine.ipynb {options}
```

{table}

{{doc}}`/rerun` says how to make the environment, and how to run it on a cluster or on videos of your own.
::::
{buttons}"""


def _time(runs: Runs) -> str:
    seconds = sum(record.train_seconds for record in runs.records)
    if not runs.records:
        return "no run of it exists yet"
    return f"{counted(len(runs.records), 'run')}, {seconds / 60:.1f} minutes of training"


def _work(runs: Runs) -> str:
    if not runs.records:
        return "No run of this chapter exists yet, so nothing has been measured."
    machines = "; ".join(wording.machines(runs))
    missing = (
        "Runs that have no record are trained by the notebook itself."
        if runs.profile == LIVE
        else "Runs that have no record are never trained by the notebook: the table below names their commands."
    )
    return (
        f"The {counted(len(runs.records), 'run')} behind it took {sum(r.train_seconds for r in runs.records):.0f} seconds of "
        f"training in all, one after the other, as their records hold it ({machines}). With the records at hand nothing "
        f"is trained. {missing}"
    )


def revision() -> tuple[str, str]:
    """The commit of this repository, and a name that a clone can check out: its tag or branch; empty where git has none."""

    def git(*words: str) -> str:
        if shutil.which("git") is None:
            return ""
        done = subprocess.run(["git", "-C", ROOT, *words], check=False, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "HEAD"), git("describe", "--exact-match", "--tags") or git("branch", "--show-current")


def launch_buttons(name: str) -> list[str]:
    """Buttons that open a notebook elsewhere, in Markdown; none where the places are not known.

    Colab opens the notebook as it is in the commit from which the book was built. A hub clones the repository; since
    nbgitpuller takes no commit, at its tag or branch.
    """
    repository, hub = os.environ.get("LRAR_REPOSITORY", "").rstrip("/"), os.environ.get("LRAR_HUB", "").rstrip("/")
    commit, branch = revision()
    buttons = []
    if repository.startswith("https://github.com/") and commit:
        where = repository.removeprefix("https://github.com/").removesuffix(".git")
        address = f"https://colab.research.google.com/github/{where}/blob/{commit}/notebooks/{name}.ipynb"
        if f"git+{repository}" in (NOTEBOOKS / f"{name}.ipynb").read_text():  # else Colab could not run it
            buttons.append(_button(address, "Open in Colab"))
    if repository and hub and branch:
        folder = repository.rsplit("/", 1)[-1].removesuffix(".git")
        query = {"repo": repository, "branch": branch, "urlpath": f"lab/tree/{folder}/notebooks/{name}.ipynb"}
        buttons.append(_button(f"{hub}/hub/user-redirect/git-pull?{urlencode(query)}", "Open on JupyterHub"))
    return buttons


def _button(address: str, text: str) -> str:
    return f":::{{button-link}} {address}\n:color: secondary\n:outline:\n{text}\n:::\n"
