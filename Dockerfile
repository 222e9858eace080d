# One image for every service of docker-compose.yml; each names its own command. The digest says which 3.12 it stands on.
FROM python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

# The folders that the program writes belong to its user: a named volume that is mounted there takes that over.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin backup \
    && install -d -o backup -g backup -m 0700 /app /app/var /app/backups /app/cache /app/signing /app/stream
WORKDIR /app

# Packages before the code: a change of the code does not install them anew.
COPY requirements.lock requirements-rclone.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-rclone.lock
COPY celeryconfig.py ./
COPY worker ./worker/
COPY web ./web/
RUN python -m compileall -q celeryconfig.py worker web

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
CMD ["celery", "-q", "-A", "worker", "worker", "--queues", "jobs,quick,questions,stream", "--concurrency", "2", "--without-gossip", "--without-mingle"]
