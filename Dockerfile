# syntax=docker/dockerfile:1

# One minor version of Python on one release of Debian: a new build has what was mended in both, and nothing else moves.
# Who wants every build alike names a digest: --build-arg BASE=python:3.13-slim-bookworm@sha256:…
ARG BASE=python:3.13-slim-bookworm

# --- builder: wheels of the gateway and all it needs, installed into one tree --------------------------------------
FROM ${BASE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
RUN python -m pip wheel --wheel-dir /wheels . \
    && python -m venv /venv \
    && /venv/bin/python -m pip install --no-index --find-links /wheels crossfade \
    && /venv/bin/python -m pip uninstall --yes pip

# --- runtime: no compiler, no pip, no root -------------------------------------------------------------------------
FROM ${BASE}

LABEL org.opencontainers.image.title="Crossfade" \
      org.opencontainers.image.description="A reverse proxy that fades traffic from a legacy service to its replacement" \
      org.opencontainers.image.licenses="Apache-2.0"

# The file system may be read-only (`docker run --read-only`): nothing is written but the store, in its volume.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

RUN groupadd --gid 10001 crossfade \
    && useradd --uid 10001 --gid crossfade --no-create-home --home-dir /var/lib/crossfade --shell /usr/sbin/nologin crossfade \
    && install --directory --owner crossfade --group crossfade /var/lib/crossfade \
    && install --directory /etc/crossfade

COPY --from=builder /venv /venv

# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 10001:10001
# `store: sqlite:./crossfade.db` is relative to here.
WORKDIR /var/lib/crossfade
VOLUME /var/lib/crossfade
EXPOSE 8080

# The admin API stays on the container's own loopback unless the configuration says otherwise and sets a token.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9900/healthz', timeout=2)"]

# SIGTERM drains: give it longer than server.timeouts.drain (`docker stop --time 45`).
STOPSIGNAL SIGTERM
ENTRYPOINT ["crossfade"]
CMD ["run", "-c", "/etc/crossfade/gateway.yaml"]
