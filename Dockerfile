# Exhibit's API, worker and integrator in one image; compose.yaml runs each as a service of its own.
FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/exhibit
COPY requirements.lock ./
RUN python -m venv /opt/exhibit \
 && /opt/exhibit/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement requirements.lock

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="exhibit" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 exhibit \
 && useradd --uid 10001 --gid exhibit --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin exhibit \
 && install --directory --owner=exhibit --group=exhibit --mode=0700 /data /data/ledger
COPY --from=build /opt/exhibit /opt/exhibit
WORKDIR /srv/exhibit
COPY alembic.ini ./
COPY migrations ./migrations
COPY app ./app
ENV PATH=/opt/exhibit/bin:$PATH \
    PYTHONPATH=/srv/exhibit \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 \
    EXHIBIT_DATA=/data \
    EXHIBIT_HOST=0.0.0.0 \
    EXHIBIT_PORT=8000
# The root file system may be read-only: what is written goes to /data and /tmp.
VOLUME ["/data"]
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['EXHIBIT_PORT']}/healthz\", timeout=2)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
