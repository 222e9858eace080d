"""A bucket in the cloud, or of anything that speaks like one: bucket.py, and how it is listed (pages.py)."""

from worker.storage.cloud.bucket import PATIENT, CloudBucket, Patience, bucket, part_bytes

__all__ = ["PATIENT", "CloudBucket", "Patience", "bucket", "part_bytes"]
