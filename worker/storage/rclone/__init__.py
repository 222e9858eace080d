"""What rclone reaches: sftp://, webdav://, gdrive:// and whatever its rclone.conf knows, as buckets.

rclone runs beside each process of ours that needs it, started once (process.py) and asked over a socket (daemon.py), for a
start of it takes as long as a hundred of its answers. remotes.py says what it must know of an address, link.py asks it about
one, and refusals.py says in words what it fails with. reading.py and sending.py (which has copying.py move the bytes) are what
bucket.py makes a bucket of.
"""
