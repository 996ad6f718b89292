"""Tests against each supported version of pymmcore-plus: `nox`, or `nox -s "pymmcore(0.17)"`.

The rest of the tests does not depend on it; `.ci/run` runs everything against the newest.
"""

import nox

nox.options.default_venv_backend = "venv"
VERSIONS = {
    "0.17": "pymmcore-plus==0.17.*",
    "0.18": "pymmcore-plus==0.18.*",
    "newest": "pymmcore-plus",
}


@nox.session
@nox.parametrize("version", list(VERSIONS), ids=list(VERSIONS))
def pymmcore(session: nox.Session, version: str) -> None:
    """Run the acquisition's tests on the real engine of one version."""
    session.install("-e", ".[test]", VERSIONS[version])
    session.run("python", "-m", "pytest", "tests/acquisition", "-k", "not random", *session.posargs)
