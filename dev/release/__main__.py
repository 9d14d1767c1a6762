"""`make release VERSION=...`: checks that the commit may be released, and makes everything of it in dist/VERSION.

That is notes.txt (the section of the changelog), install.yaml, the chart, `kubectl marauders` as a wheel and as an archive
for each platform with krew's manifest, what images are made of (SBOM), and SHA256SUMS; the images by Docker, named but not
pushed. All files are made twice, and must be the same.
Without --tag nothing outside dist changes. With it the commit is tagged here; pushing the tag is left to you.
Exit codes: 0 done; 1 refused or failed, with the remedy.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dev import install
from dev.cluster import app_images
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import CHECKOUT, write_whole
from dev.cluster.host.shell import run
from dev.kube import report_problem
from dev.olm import HOMEPAGE
from dev.release import artefacts, checks, krew, plugin

PROGRAMS = ("api", "operator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make it; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("version")
    parser.add_argument(
        "--registry", default="localhost", help="where the images will be, named in install.yaml"
    )
    parser.add_argument("--url", help="below which the files will be, named in krew's manifest")
    parser.add_argument("--without-images", action="store_true", help="neither build nor name them")
    parser.add_argument("--tag", action="store_true", help="tag the commit, here only")
    options = parser.parse_args(arguments)
    try:
        release = checks.candidate(CHECKOUT, options.version)
        folder = CHECKOUT / "dist" / release.version
        url = options.url or f"{HOMEPAGE}/releases/download/{release.tag}"
        files = _made_twice(release, options.registry, url, folder)
        images = [] if options.without_images else _images(options.registry, release.version)
        if options.tag:
            message = f"{release.tag}\n\n{release.notes}"
            run(
                [
                    "git",
                    "-C",
                    str(CHECKOUT),
                    "tag",
                    "--annotate",
                    "--cleanup=verbatim",
                    "-F",
                    "-",
                    release.tag,
                ],
                stdin=message,
            )
    except Problem as problem:
        return report_problem(problem)
    for line in (*files, *images):
        print(line)
    print_line(f"{release.tag} is {release.commit[:12]}: dist/{release.version}")
    for command in _left(release, images, tagged=options.tag):
        print_line(f"left to do: {command}")
    return 0


def _made_twice(release: checks.Candidate, registry: str, url: str, folder: Path) -> list[str]:
    """The files in `folder`, and their checksums. Raises Problem when two builds of the commit differ."""
    with tempfile.TemporaryDirectory(prefix="marauders-release-") as work:
        sums = []
        for number in ("first", "second"):
            with step(f"making it, the {number} time"):
                made = Path(work) / number / "made"
                made.mkdir(parents=True)
                _make(release, registry, url, made)
                sums.append(artefacts.checksums(made))
        if sums[0] != sums[1]:
            raise Problem(f"two builds of one commit differ:\n{sums[0]}\n{sums[1]}")
        write_whole(made / "SHA256SUMS", sums[0])
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    return sums[0].splitlines()


def _make(release: checks.Candidate, registry: str, url: str, to: Path) -> None:
    write_whole(to / "notes.txt", release.notes + "\n")
    tree = artefacts.sources(CHECKOUT, release.commit, to.with_name("tree"))
    artefacts.chart(tree, release, to)
    wheel = artefacts.wheel(tree, release, to)
    for platform in plugin.PLATFORMS:
        plugin.archive(tree, wheel, platform, release.committed_at, to)
    write_whole(to / krew.MANIFEST, krew.manifest(release.version, to, url))
    image = f"{registry}/{app_images.IMAGES['operator'].repository}:{release.version}"
    if install.main(
        ["yaml", "--version", release.version, "--image", image, "--to", str(to / "install.yaml")]
    ):
        raise Problem("install.yaml was not made", "see the line above")
    cyclonedx = str(CHECKOUT / ".cache" / "sbom" / "bin" / "cyclonedx-py")
    for program in PROGRAMS:
        pins, sbom = f"requirements/{program}.txt", to / f"sbom-{program}.json"
        run(
            [cyclonedx, "requirements", "--output-reproducible", "--validate", "-o", str(sbom), pins],
            cwd=tree,
        )


def _images(registry: str, version: str) -> list[str]:
    """Build and name both; each with its id. docs/delivery.md says why they are not the same each time."""
    lines = []
    for program in PROGRAMS:
        built = app_images.local(program)
        name = f"{registry}/{app_images.IMAGES[program].repository}:{version}"
        run(["docker", "tag", built, name])
        lines.append(f"{run(['docker', 'image', 'inspect', '-f', '{{.Id}}', name]).strip()}  {name}")
    return lines


def _left(release: checks.Candidate, images: Sequence[str], *, tagged: bool) -> list[str]:
    """What changes something that others see, and is therefore left to a person."""
    commands = [] if tagged else [f"make release VERSION={release.version} TAG=yes"]
    return [
        *commands,
        *(f"docker push {line.split()[-1]}" for line in images),
        f"git push origin {release.tag}",
    ]


if __name__ == "__main__":
    sys.exit(main())
