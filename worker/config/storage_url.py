"""Where backups may lie, as people write it, and how we spell it: whoever means the same place gets the same address."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

CLOUD = ("s3", "gs", "az")
"""Buckets that are spoken to from here."""
BY_RCLONE = ("sftp", "webdav", "webdavs", "gdrive", "rclone")
"""What is reached by rclone."""

_PORTS = {"sftp": "22", "webdav": "80", "webdavs": "443"}
_SERVER = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._%+-]+)@)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?P<path>/.*)?"
)
_NO_KEY = "must hold no {what}: give that by the variables that the guide names, such as {variable}"


def _storage(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme == "file":
        return value
    if scheme in CLOUD:
        return f"{scheme}://{_bucket(scheme, rest)}"
    if scheme in _PORTS:
        return f"{scheme}://{_server(scheme, rest)}"
    if scheme == "gdrive":
        return f"gdrive://{_below(rest, '[A-Za-z0-9_-]+', 'gdrive://FOLDER_ID, as the address of that folder ends')}"
    if scheme == "rclone":
        return f"rclone://{_below(rest, '[A-Za-z0-9_.+-]+', 'rclone://REMOTE/folder, with a remote of rclone.conf')}"
    raise ValueError(
        "must be a folder, such as backups or /var/backups/redis, or s3://, gs:// or az:// with a bucket, or sftp://, "
        "webdav://, webdavs://, gdrive:// or rclone://"
    )


def _bucket(scheme: str, rest: str) -> str:
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket or ":" in bucket:
        raise ValueError(_NO_KEY.format(what="key", variable="AWS_ACCESS_KEY_ID"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", bucket):
        raise ValueError(f"must name a bucket, as in {scheme}://bucket or {scheme}://bucket/folder")
    return "/".join([bucket, *_folders(prefix, "A-Za-z0-9._-", "bucket")])


def _server(scheme: str, rest: str) -> str:
    login, at, _ = rest.rpartition("@")
    if at and ":" in login:
        variable = "SFTP_PASSWORD" if scheme == "sftp" else "WEBDAV_PASSWORD"
        raise ValueError(_NO_KEY.format(what="password", variable=variable))
    parts = _SERVER.fullmatch(rest)
    if parts is None or not 0 < int(parts["port"] or 1) < 65536:
        raise ValueError(f"must name a server and a folder, as in {scheme}://user@host:{_PORTS[scheme]}/folder")
    port = str(int(parts["port"])) if parts["port"] else _PORTS[scheme]
    user = f"{parts['user']}@" if parts["user"] else ""
    where = f"{user}{parts['host'].lower()}{'' if port == _PORTS[scheme] else f':{port}'}"
    return "/".join([where, *_folders(parts["path"] or "", "A-Za-z0-9._~@+=-", "server")])


def _below(rest: str, name: str, example: str) -> str:
    top, _, path = rest.partition("/")
    if not re.fullmatch(name, top):
        raise ValueError(f"must be {example}")
    return "/".join([top, *_folders(path, "A-Za-z0-9._~@+=-", "name")])


def _folders(path: str, characters: str, behind: str) -> list[str]:
    folders = [folder for folder in path.split("/") if folder]
    if {".", ".."} & set(folders) or not all(re.fullmatch(f"[{characters}]*", folder) for folder in folders):
        shown = " ".join(characters.removeprefix("A-Za-z0-9"))
        raise ValueError(f"must have a folder of letters, digits and {shown} / only, behind the {behind}")
    return folders


def place_of(address: str) -> str:
    """What all addresses of one storage have in common: of a folder its absolute path, without links."""
    scheme, separator, path = address.rpartition("://")
    return address if separator and scheme != "file" else os.path.realpath(path)


def _storages(value: object) -> object:
    if isinstance(value, str):
        value = tuple(word.strip() for word in value.replace("\n", ",").split(",") if word.strip())
    if not isinstance(value, (tuple, list)) or not all(isinstance(word, str) for word in value):
        raise ValueError("must be addresses of storages, with commas between")
    named = tuple(map(_storage, value))
    if len({*map(place_of, named)}) < len(named):
        raise ValueError("must name each storage once")
    return named


StorageURL = Annotated[str, AfterValidator(_storage)]
"""A folder, plain or as file://, a bucket, such as s3://bucket/folder, or a folder elsewhere; no secret is in it."""
StorageURLs = Annotated[tuple[str, ...], BeforeValidator(_storages)]
"""Several of them, read from text such as `s3://bucket/folder, /mnt/backups`."""
