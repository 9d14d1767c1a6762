"""Keys of what is kept, and files that a kill leaves whole."""

from pathlib import Path

from dev.cluster import app_images
from dev.cluster.host import go_tools, mounts, paths
from dev.cluster.images import node_image


def test_a_key_changes_with_each_part_and_each_file(tmp_path: Path) -> None:
    """Parts cannot run into each other, and a file's content counts."""
    file = tmp_path / "Dockerfile"
    file.write_text("FROM scratch", encoding="utf-8")
    keys = {paths.digest("ab", "c"), paths.digest("a", "bc"), paths.digest("abc"), paths.digest(files=[file])}
    file.write_text("FROM debian", encoding="utf-8")
    keys.add(paths.digest(files=[file]))
    assert len(keys) == 5


def test_a_key_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    """A folder is listed in any order, and must still be one key."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1", encoding="utf-8")
    second.write_text("2", encoding="utf-8")
    assert paths.digest(files=[first, second]) == paths.digest(files=[second, first])


def test_bytecode_is_no_input(tmp_path: Path) -> None:
    """Running the code must not change the tag of its image."""
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tmp_path / "x.py").write_text("", encoding="utf-8")
    assert paths.files_under(tmp_path) == [tmp_path / "x.py"]


def test_an_image_tag_changes_with_its_base() -> None:
    """A new base is a new image even when no line of ours changed."""
    image = app_images.IMAGES["api"]
    assert app_images.content_key(image, "base:1") == app_images.content_key(image, "base:1")
    assert app_images.content_key(image, "base:1") != app_images.content_key(image, "base:2")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing of the temporary file stays."""
    target = tmp_path / "state" / "cluster.json"
    paths.write_whole(target, "one")
    paths.write_whole(target, "two", mode=0o600)
    assert target.read_text(encoding="utf-8") == "two"
    assert [p.name for p in target.parent.iterdir()] == ["cluster.json"]


def test_a_link_is_replaced(tmp_path: Path) -> None:
    """A tool that was built again takes the place of the old one."""
    paths.link(tmp_path / "bin" / "kind", tmp_path / "old")
    paths.link(tmp_path / "bin" / "kind", tmp_path / "new")
    assert (tmp_path / "bin" / "kind").readlink() == tmp_path / "new"


def test_the_version_of_go_is_read() -> None:
    """The machine's Go may be older than ours needs, or something else altogether."""
    assert go_tools.version_of("go version go1.26.8 linux/amd64") == (1, 26)
    assert go_tools.version_of("go version go1.19 linux/amd64") == (1, 19)
    assert go_tools.version_of("gcc 12") == (0, 0)


def test_mounts_are_found_innermost_first() -> None:
    """A killed chroot leaves mounts; a path that only begins alike is not below."""
    table = """\
30 1 254:0 / / rw - ext4 /dev/vda rw
31 30 0:5 / /var/lib/x/root\\040fs rw - tmpfs tmpfs rw
32 31 0:6 / /var/lib/x/root\\040fs/proc rw - proc proc rw
33 30 0:7 / /var/lib/xy rw - tmpfs tmpfs rw
"""
    found = mounts.mounts_below(table, Path("/var/lib/x"))
    assert found == [Path("/var/lib/x/root fs/proc"), Path("/var/lib/x/root fs")]


def test_the_manifests_name_the_images_that_the_node_carries() -> None:
    """An image that is not preloaded could not be pulled either."""
    for name in ("default-cni.yaml", "default-storage.yaml"):
        manifest = (paths.DEV / "manifests" / name).read_text(encoding="utf-8")
        assert f"image: {node_image.PROGRAMS_IMAGE}" in manifest
