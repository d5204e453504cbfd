"""The images: the same bytes twice, small, no shell, and every program starts with what is in its image."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile

import pytest

NAMES = ("operator", "sidecar", "cli")
_MB = 1_000_000
_MOST = {"operator": 80 * _MB, "sidecar": 120 * _MB, "cli": 80 * _MB}


def _read(folder, name):
    """(members of the archive, the image's configuration, its layers)."""
    with tarfile.open(folder / f"{name}.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}

    def blob(descriptor):
        return members["blobs/sha256/" + descriptor["digest"].split(":")[1]]

    manifest = json.loads(blob(json.loads(members["index.json"])["manifests"][0]))
    return members, json.loads(blob(manifest["config"])), [blob(each) for each in manifest["layers"]]


def _files(layers):
    """path -> TarInfo, of all layers."""
    return {m.name: m for data in layers for m in tarfile.open(fileobj=io.BytesIO(data)) if not m.isdir()}


def test_the_same_content_gives_the_same_bytes_from_anywhere(folder, build, tmp_path):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"}
    build("-o", tmp_path / "again", env=environment, cwd=tmp_path, umask=0o077)
    made = sorted(path.name for path in folder.iterdir())
    assert made == sorted(f"{name}.{end}" for name in NAMES for end in ("tar", "spdx.json"))
    for name in made:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), f"{name} differs"


def test_another_time_gives_other_bytes_so_that_the_test_above_can_fail(folder, build, tmp_path):
    build("cli", "-o", tmp_path, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000001"})
    assert (folder / "cli.tar").read_bytes() != (tmp_path / "cli.tar").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_small(folder, name):
    size = sum(map(len, _read(folder, name)[2]))
    assert 5 * _MB < size < _MOST[name], f"{name}: {size / _MB:.1f} MB"


@pytest.mark.parametrize("name", NAMES)
def test_every_digest_is_that_of_its_content(folder, name):
    members, config, layers = _read(folder, name)
    for path, data in members.items():
        if path.startswith("blobs/"):
            assert path == "blobs/sha256/" + hashlib.sha256(data).hexdigest()
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
    docker = json.loads(members["manifest.json"])[0]
    assert json.loads(members[docker["Config"]]) == config and [members[path] for path in docker["Layers"]] == layers


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_nobody_in_particular_and_has_no_shell(folder, name):
    _, config, layers = _read(folder, name)
    assert config["config"]["User"] == "65532:65532"
    files = _files(layers)
    entry = files[config["config"]["Entrypoint"][0].lstrip("/")]
    assert entry.mode == 0o755
    programs = {path for path, member in files.items() if member.isreg() and member.mode & 0o111}
    allowed = {entry.name, "usr/sbin/nginx", "usr/sbin/nft"}
    assert {path for path in programs - allowed if "/ld-linux" not in path} == set()
    for member in files.values():
        assert (member.uid, member.gid) == (0, 0) and (member.issym() or not member.mode & 0o7022), member.name


@pytest.mark.parametrize("name", NAMES)
def test_the_list_names_exactly_the_packages_whose_files_are_inside(folder, name):
    _, _, layers = _read(folder, name)
    records = {path.rsplit("/", 1)[1] for path in _files(layers[:1]) if path.startswith("var/lib/dpkg/status.d/")}
    inside = [m.name for m in _files(layers[:1]).values() if m.isreg() and re.match(r"usr/(lib/.*\.so|sbin/)", m.name)]
    spelled = [f"/{path.removeprefix(prefix)}" for path in inside for prefix in ("", "usr/")]
    said = subprocess.run(["dpkg-query", "-S", *spelled], capture_output=True, text=True).stdout
    owners = {"ca-certificates", *(line.split(":")[0] for line in said.splitlines())}
    made = json.loads((folder / f"{name}.spdx.json").read_text())
    listed = {p["name"]: p for p in made["packages"] if p["SPDXID"].startswith("SPDXRef-deb-")}
    assert set(listed) == records == owners
    for package, entry in listed.items():
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True).stdout
        assert entry["versionInfo"] in version and entry["versionInfo"]


_COMPILED_IN = {
    "operator": "libboost1.74-dev libcli11-dev libexpected-dev libkainjow-mustache-dev nlohmann-json3-dev",
    "sidecar": "libboost1.74-dev libcli11-dev libexpected-dev libkainjow-mustache-dev libxxhash-dev nginx-dev nlohmann-json3-dev",
    "cli": "libboost1.74-dev libcli11-dev libexpected-dev libkainjow-mustache-dev libxxhash-dev nlohmann-json3-dev",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_list_names_what_is_compiled_into_our_programs_by_version(folder, name):
    made = json.loads((folder / f"{name}.spdx.json").read_text())
    listed = {p["SPDXID"]: p for p in made["packages"] if p["SPDXID"].startswith("SPDXRef-compiled-in-")}
    assert {entry["name"] for entry in listed.values()} == set(_COMPILED_IN[name].split())
    linked = {(r["spdxElementId"], r["relatedSpdxElement"]) for r in made["relationships"] if r["relationshipType"] == "STATIC_LINK"}
    assert {into for _, into in linked} == set(listed)
    assert {program for program, _ in linked} == {"SPDXRef-program", *(["SPDXRef-module"] if name == "sidecar" else [])}
    for entry in listed.values():
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", entry["name"]], capture_output=True, text=True).stdout
        assert entry["versionInfo"] == version and version
        [reference] = entry["externalRefs"]
        assert re.fullmatch(rf"pkg:deb/debian/{re.escape(entry['name'])}@[^?@ ]+\?arch=(all|amd64)&distro=debian-12", reference["referenceLocator"])


def test_a_program_of_which_ninja_knows_nothing_stops_the_build(tmp_path):
    import compiled_in
    import debian

    with pytest.raises(debian.Stop, match="has no build.ninja, which knows what bin/some was made of: build with `make build`"):
        compiled_in.packages(tmp_path, "bin/some", [])
    rule = "rule cc\n  command = cp $in $out\nbuild some.o: cc some.cc\nbuild bin/some: cc some.o\n"
    (tmp_path / "build.ninja").write_text(rule)
    (tmp_path / "some.cc").touch()
    with pytest.raises(debian.Stop, match="ninja does not know what some.o was made of"):
        compiled_in.packages(tmp_path, "bin/some", [])


@pytest.mark.parametrize("name", NAMES)
def test_the_list_is_spdx(folder, name):
    made = json.loads((folder / f"{name}.spdx.json").read_text())
    assert made["spdxVersion"] == "SPDX-2.3" and made["dataLicense"] == "CC0-1.0" and made["creationInfo"]["creators"]
    identities = [made["SPDXID"], *(package["SPDXID"] for package in made["packages"])]
    assert len(set(identities)) == len(identities)
    for identity in identities:
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identity)
    for relation in made["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= set(identities)
    image = next(package for package in made["packages"] if package["SPDXID"] == "SPDXRef-image")
    digest = hashlib.sha256((folder / f"{name}.tar").read_bytes()).hexdigest()
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]


@pytest.mark.parametrize("name", NAMES)
def test_its_programs_start_with_nothing_but_its_files(build, folder, tmp_path, name):
    if os.geteuid() != 0:
        pytest.fail("starting programs in an image's files takes root (chroot)")
    root = tmp_path / "root"
    build(name, "--rootfs", root)
    _, config, layers = _read(folder, name)
    assert {str(p.relative_to(root)) for p in root.rglob("*") if p.is_symlink() or p.is_file()} == set(_files(layers))

    def start(*command):
        done = subprocess.run(["chroot", "--userspec=65532:65532", root, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    start(config["config"]["Entrypoint"][0], "--version")
    if name == "sidecar":
        assert "1.22" in start("/usr/sbin/nginx", "-v")
        assert "nftables" in start("/usr/sbin/nft", "--version")
        (root / "conf").write_text("load_module /usr/lib/nginx/modules/ngx_http_mesh_auth_module.so;\npid /t/p; error_log stderr; events {}\n")
        (root / "t").mkdir(mode=0o777)
        os.chmod(root / "t", 0o777)
        (root / "dev").mkdir()
        assert "successful" in start("/usr/sbin/nginx", "-t", "-c", "/conf")


def test_a_file_that_is_not_as_its_package_brought_it_stops_the_build(monkeypatch):
    import debian

    library = next(path for path in debian.libraries("/bin/true") if "libc.so" in path)
    assert debian.read(library)
    monkeypatch.setattr(debian, "_sums", lambda name: {debian.usr(library): "0" * 32})
    with pytest.raises(debian.Stop, match=r"is not as libc6.* brought it: its MD5 is [0-9a-f]{32}, dpkg says 0{32}"):
        debian.read(library)


@pytest.mark.parametrize("name", NAMES)
def test_the_containerfile_says_what_the_archive_says(folder, name):
    import archive
    import rootfs

    image = next(image for image in rootfs.IMAGES if image.name == name)
    lines = (rootfs.REPO / "images" / f"Containerfile.{name}").read_text().splitlines()
    said = [line.split(maxsplit=1) for line in lines[lines.index("FROM scratch") :] if line]
    words = {word: [rest for first, rest in said if first == word] for word in ("USER", "ENV", "WORKDIR", "LABEL", "ENTRYPOINT")}
    wanted = archive.settings(image)
    assert words["USER"] == [wanted["User"]] and words["ENV"] == wanted["Env"] and words["WORKDIR"] == [wanted["WorkingDir"]]
    assert json.loads(words["ENTRYPOINT"][0]) == wanted["Entrypoint"]
    assert words["LABEL"] == [f'{key}="{value}"' for key, value in wanted["Labels"].items()]
    assert f"images/build.py --rootfs /rootfs {name}" in "\n".join(lines)
