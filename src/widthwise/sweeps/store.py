"""The store of a sweep: a folder of small files that is the whole truth, and survives whatever happens to its writers.

    spec.json            what the sweep is: spec, plan, digests of the data
    jobs/<job>.json      the result of a job: its settings, its measures, length and CRC of its arrays
    arrays/<job>.npz     what was recorded along training
    claims/<job>.<k>     attempt k, being made
    failures/<job>.<k>   attempt k failed, and why
    quarantine/          files that were found damaged

A job is committed by the link that gives its JSON file a name; its arrays are on the disk before. The protocol is
described in `docs/decisions/0010-the-store-of-a-sweep.md`.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from widthwise.errors import StoreError
from widthwise.sweeps import files
from widthwise.sweeps.claims import owner

if TYPE_CHECKING:
    import numpy as np

SPEC, JOB, CLAIM, FAILURE = "widthwise/sweep/1", "widthwise/job/1", "widthwise/claim/1", "widthwise/failure/1"
TRIES = 3
_FOLDERS = ("jobs", "arrays", "claims", "failures", "quarantine")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to make one attempt at a job."""

    job: str
    attempt: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.job}.{self.attempt}"


@dataclass(frozen=True)
class Store:
    """A store on disk.

    Args:
        folder: its place.
        durable: force every file to the disk before it counts; without it a crash of the machine, not of a process, can
            cost the last results.
    """

    folder: Path
    durable: bool = True

    def create(self, body: Mapping[str, Any]) -> None:
        """Make the store, or open the one that is there, for a sweep.

        Raises:
            StoreError: if the folder holds another sweep, something else, or a store of a newer version; it is untouched.
            ResourceError: if the disk is full.
        """
        path = self.folder / "spec.json"
        known = self.read_spec(missing=None)
        if known is None:
            self._check_empty()
            files.make_folder(self.folder, durable=self.durable)
            for name in _FOLDERS:
                files.make_folder(self.folder / name)
            self._quarantine_if_there(path)
            if not files.create(path, files.seal(SPEC, body), durable=self.durable):
                known = self.read_spec()
        if known is not None and known != json.loads(json.dumps(body)):
            raise StoreError(
                f"{self.folder} holds another sweep ({_difference(known, body)}): give this one another folder or name, or "
                "another name to the spec"
            )
        for name in _FOLDERS:
            files.make_folder(self.folder / name)

    def read_spec(self, missing: str | None = "raise") -> dict[str, Any] | None:
        """What the sweep is; None if there is no readable file and `missing` is None.

        Raises:
            StoreError: if the folder is no store, its spec is damaged, or a newer version wrote it.
        """
        path = self.folder / "spec.json"
        data = files.read(path)
        try:
            if data is not None:
                found: dict[str, Any] = files.unseal(data, SPEC, path)
                return found
        except files.DamagedError as damage:
            if missing is not None:
                raise StoreError(
                    f"{damage}; run the sweep again with its spec, which writes the file anew and keeps all results"
                ) from None
        if missing is not None:
            raise StoreError(f"{self.folder} is not the store of a sweep: it holds no spec.json")
        return None

    def clean(self) -> None:
        """Remove what killed writers left: half-written files, and claims to jobs that are committed."""
        for name in (".", *_FOLDERS):
            files.sweep_temporaries(self.folder / name)
        for job, attempts in self.claims().items():
            if self.has(job):
                for attempt in attempts:
                    self.release(Claim(job=job, attempt=attempt))

    def has(self, job: str) -> bool:
        """Whether a job is committed."""
        with files.typed(self.folder):
            try:
                os.stat(self._job(job))  # noqa: PTH116
            except FileNotFoundError:
                return False
        return True

    def committed(self) -> list[str]:
        """Jobs that have a result, not looked into."""
        return [name.removesuffix(".json") for name in files.names(self.folder / "jobs") if name.endswith(".json")]

    def check(self) -> list[str]:
        """Committed jobs whose files are as they were written; damaged files go to the quarantine.

        Raises:
            StoreError: if a newer version wrote one of them.
        """
        return [job for job in self.committed() if self.result(job, arrays=True) is not None]

    def result(self, job: str, *, arrays: bool = False) -> dict[str, Any] | None:
        """The result of a job, None where there is none or it was damaged.

        What is damaged goes to the quarantine, so that the job runs again.

        Args:
            job: its id.
            arrays: check its arrays too.

        Raises:
            StoreError: if a newer version wrote it.
        """
        path = self._job(job)
        data = files.read(path)
        if data is None:
            return None
        try:
            body: dict[str, Any] = files.unseal(data, JOB, path)
            if body.get("id") != job:
                raise files.DamagedError(f"{path} is the result of another job")
            if arrays:
                self._read_arrays(job, body)
        except files.DamagedError:
            self.quarantine(job)
            return None
        return body

    def arrays(self, job: str) -> dict[str, np.ndarray]:
        """What a job recorded along training, by name.

        Raises:
            StoreError: if the job has no result, or its arrays are damaged.
        """
        import numpy as np  # noqa: PLC0415 - the protocol needs no arrays

        body = self.result(job)
        if body is None:
            raise StoreError(f"{self.folder} holds no result of job {job}")
        try:
            data = self._read_arrays(job, body)
        except files.DamagedError as damage:
            raise StoreError(f"{damage}; run the sweep again, which repeats that job alone") from None
        if not data:
            return {}
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}

    def quarantine(self, job: str) -> None:
        """Put the files of a job aside; the job has no result any more."""
        # The result first: arrays without a result are nothing, a result without arrays is damaged.
        for path in (self._job(job), self._arrays(job)):
            self._quarantine_if_there(path)

    def failures(self) -> dict[str, list[dict[str, Any]]]:
        """Failed attempts of each job, in order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name in files.names(self.folder / "failures"):
            job, _, attempt = name.rpartition(".")
            if not attempt.isdigit():
                continue
            path = self.folder / "failures" / name
            try:
                body = files.unseal(files.read(path) or b"", FAILURE, path)
            except files.DamagedError:
                self._quarantine_if_there(path)
                continue
            found.setdefault(job, []).append(body)
        return {job: sorted(many, key=lambda one: int(one["attempt"])) for job, many in found.items()}

    def forgive(self, jobs: Iterable[str]) -> None:
        """Forget failed attempts, so that these jobs are tried again."""
        wanted = set(jobs)
        for name in files.names(self.folder / "failures"):
            if name.rpartition(".")[0] in wanted:
                files.remove(self.folder / "failures" / name)

    def claims(self) -> dict[str, list[int]]:
        """Attempts under way or abandoned, of each job, increasing."""
        found: dict[str, list[int]] = {}
        for name in files.names(self.folder / "claims"):
            job, _, attempt = name.rpartition(".")
            if attempt.isdigit():
                found.setdefault(job, []).append(int(attempt))
        return {job: sorted(many) for job, many in found.items()}

    def claim(self, job: str, attempt: int) -> Claim | None:
        """Take the right to an attempt; None where somebody else has it, or the job is committed."""
        claim = Claim(job=job, attempt=attempt)
        if self.has(job):
            return None
        # Not forced to the disk: after a crash of the machine there is no owner left.
        if not files.create(self.claim_path(claim), files.seal(CLAIM, {"owner": owner()}), durable=False):
            return None
        # A commit precedes the removal of its claims: who claimed after that removal sees the commit here.
        if self.has(job):
            self.release(claim)
            return None
        return claim

    def superseded(self, claim: Claim) -> bool:
        """Whether a later attempt was begun, because this one was taken for abandoned."""
        return any(attempt > claim.attempt for attempt in self.claims().get(claim.job, []))

    def commit(self, claim: Claim, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bool:
        """Store a result, whole or not at all; False where another attempt was first.

        Args:
            claim: the attempt.
            result: its settings and measures, numbers and texts that JSON can hold.
            arrays: numbers along training.

        Raises:
            ResourceError: if the disk is full; nothing was committed.
            StoreError: for other faults of the disk.
        """
        if self.has(claim.job) or self.superseded(claim):
            return False
        data = _npz(arrays) if arrays else b""
        body = {"id": claim.job, "attempt": claim.attempt, **result, "arrays": None}
        if data:
            body["arrays"] = {"length": len(data), "crc32": f"{zlib.crc32(data):08x}"}
            # Arrays of an attempt that was killed before its commit may lie there.
            files.replace(self._arrays(claim.job), data, durable=self.durable)
        first = files.create(self._job(claim.job), files.seal(JOB, body), durable=self.durable)
        for attempt in self.claims().get(claim.job, []):
            if attempt <= claim.attempt:
                self.release(Claim(job=claim.job, attempt=attempt))
        return first

    def fail(self, claim: Claim, reason: str) -> None:
        """Store that an attempt failed, and why."""
        path = self.folder / "failures" / claim.name
        files.create(
            path,
            files.seal(FAILURE, {"id": claim.job, "attempt": claim.attempt, "reason": reason}),
            durable=self.durable,
        )
        self.release(claim)

    def release(self, claim: Claim) -> None:
        """Give a claim back."""
        files.remove(self.claim_path(claim))

    def claim_path(self, claim: Claim) -> Path:
        """The file of a claim."""
        return self.folder / "claims" / claim.name

    def _job(self, job: str) -> Path:
        return self.folder / "jobs" / f"{job}.json"

    def _arrays(self, job: str) -> Path:
        return self.folder / "arrays" / f"{job}.npz"

    def _read_arrays(self, job: str, body: Mapping[str, Any]) -> bytes:
        told = body.get("arrays")
        if told is None:
            return b""
        path = self._arrays(job)
        data = files.read(path)
        if data is None or len(data) != told["length"] or f"{zlib.crc32(data):08x}" != told["crc32"]:
            raise files.DamagedError(f"{path} differs from what was written")
        return data

    def _quarantine_if_there(self, path: Path) -> None:
        folder = self.folder / "quarantine"
        files.make_folder(folder)
        taken = set(files.names(folder))
        name = next(n for i in range(len(taken) + 1) if (n := f"{path.name}.{i}") not in taken)
        files.move(path, folder / name)

    def _check_empty(self) -> None:
        """Refuse to make a store among other things."""
        with files.typed(self.folder):
            if not self.folder.exists():
                return
        strange = [name for name in files.names(self.folder) if name not in (*_FOLDERS, "spec.json")]
        if strange:
            raise StoreError(
                f"{self.folder} is not the store of a sweep: it holds {strange[0]!r} and no spec.json; name an empty or new "
                "folder"
            )


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an npz archive; the same arrays give the same bytes."""
    import numpy as np  # noqa: PLC0415

    stream = io.BytesIO()
    np.savez(stream, **{name: np.asarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    return stream.getvalue()


def _difference(known: Any, asked: Any, path: str = "") -> str:
    """The first place where two sweeps differ."""
    if isinstance(known, dict) and isinstance(asked, Mapping):
        for key in sorted({*known, *asked}):
            if known.get(key) != json.loads(json.dumps(asked.get(key))):
                return _difference(known.get(key), asked.get(key), f"{path}.{key}" if path else str(key))
    return f"{path or 'the spec'} is {json.dumps(known)[:80]} there and {json.dumps(asked)[:80]} here"
