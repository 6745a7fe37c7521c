"""The content bucket's uploads: each sender puts his own, with a presigned URL."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling, code
from mailbearer.upload import Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_THERE = frozenset({"404", "NoSuchKey"})


class S3UploadStore:
    """Uploads under `uploads/<upload id>`, and those that scheduled messages wait for under `scheduled/uploads/` too.

    What a table would hold is the object's metadata: it is signed, so whoever puts the object cannot change it. Without
    `s3:ListBucket` on the bucket, S3 answers 403 for an object that is not there, which reads as `Unavailable`.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def presign(self, upload: Upload, *, seconds: int) -> tuple[str, dict[str, str]]:
        """Give a URL, and the header fields that have to go with it, to which exactly this upload can be put.

        Signed are these fields and Content-Length, which every HTTP client sets by itself. With `If-None-Match` S3
        takes the object once (412 after that), so that what was checked is what is sent.
        """
        metadata = {"caller": upload.caller, "filename": _write_name(upload.filename)}
        url = self._client.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": _key(upload.id),
                "ContentType": upload.content_type,
                "ContentLength": upload.size,
                "Metadata": metadata,
                "IfNoneMatch": "*",
            },
            ExpiresIn=seconds,
        )
        fields = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return url, {"content-type": upload.content_type, "if-none-match": "*", **fields}

    def find(self, upload_id: str) -> Upload | None:
        """Tell what was put there, None if nothing was or it is gone. Raises `Unavailable`."""
        answer = self._head(_key(upload_id)) or self._head(_kept_key(upload_id))
        if answer is None:
            return None
        filename = _read_name(answer["Metadata"].get("filename", ""))
        # Somebody with rights of his own on the bucket put it there past the API.
        if not filename or "caller" not in answer["Metadata"]:
            return None
        return Upload(
            id=upload_id,
            caller=answer["Metadata"]["caller"],
            filename=filename,
            content_type=answer["ContentType"],
            size=answer["ContentLength"],
        )

    def read(self, upload_id: str) -> bytes | None:
        """Read what was put there, None if it is gone. Raises `Unavailable`."""
        for key in (_key(upload_id), _kept_key(upload_id)):
            with calling("s3:GetObject"):
                try:
                    answer = self._client.get_object(Bucket=self._bucket, Key=key)
                except self._client.exceptions.NoSuchKey:
                    continue
                with answer["Body"] as body:
                    return body.read()
        return None

    def keep(self, upload_id: str) -> None:
        """See that it lasts as long as scheduled content does; safe to repeat, no error if it is gone.

        A copy that stands alone is copied onto itself, since the bucket's rules count from then on. Raises
        `Unavailable`.
        """
        kept = _kept_key(upload_id)
        if self._copy(_key(upload_id), kept):
            return
        answer = self._head(kept)
        if answer is not None:
            # S3 copies an object onto itself only if something about it is said anew.
            said = {"Metadata": answer["Metadata"], "ContentType": answer["ContentType"]}
            self._copy(kept, kept, MetadataDirective="REPLACE", **said)

    def _copy(self, source: str, target: str, **said: Any) -> bool:
        """Copy an object within the bucket; tell whether it was there."""
        with calling("s3:CopyObject"):
            try:
                self._client.copy_object(
                    Bucket=self._bucket, Key=target, CopySource={"Bucket": self._bucket, "Key": source}, **said
                )
            except self._client.exceptions.NoSuchKey:
                return False
        return True

    def _head(self, key: str) -> Any:
        with calling("s3:HeadObject"):
            try:
                return self._client.head_object(Bucket=self._bucket, Key=key)
            except self._client.exceptions.ClientError as error:
                # An answer to HEAD has no body that could name the error.
                if code(error) in _NOT_THERE:
                    return None
                raise


def _key(upload_id: str) -> str:
    return f"uploads/{upload_id}"


def _kept_key(upload_id: str) -> str:
    return f"scheduled/uploads/{upload_id}"


def _write_name(filename: str) -> str:
    """Write a name in the ASCII that metadata takes: 255 characters of any script stay below S3's 2 KB of it."""
    return base64.urlsafe_b64encode(filename.encode()).decode()


def _read_name(text: str) -> str:
    """Read a name back; empty if it is none that we wrote."""
    try:
        return base64.urlsafe_b64decode(text.encode()).decode()
    except ValueError:
        return ""
