"""What a bucket keeps whatever is done to a file: its versions, and until when a lock holds them.

kept.py says what that is, s3.py has it of S3. In comes a Storage, out comes what keeps its versions, or None.
"""
