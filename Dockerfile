# One image for every role: `strata up` (all in one, embedded stores), `strata api`, `strata ingest`, `strata worker`.
# The stores' drivers come as wheels, so neither stage needs a compiler.
FROM python:3.13.14-slim-trixie AS python

FROM python AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/strata
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.8
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
# The dependencies by themselves: this layer stays when only Strata's own code changes.
RUN uv sync --frozen --no-dev --extra tracing --no-install-project
COPY libs libs
COPY services services
COPY migrations migrations
RUN uv sync --frozen --no-dev --extra tracing --no-editable

FROM python
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Strata" \
      org.opencontainers.image.description="Self-hosted, multi-tenant metrics, logs, alerts and on-call" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Fixed numbers, since volumes and secrets outside know users by number only.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
    && groupadd --gid 10001 strata \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/strata --shell /usr/sbin/nologin strata \
    && install --directory --owner=strata --group=strata --mode=0700 /var/lib/strata /var/lib/strata-archive
COPY --from=build /opt/strata /opt/strata
COPY infra/image/probe.py /opt/strata/probe.py
ENV PATH=/opt/strata/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STRATA_BIND=0.0.0.0 \
    STRATA_DATA_DIR=/var/lib/strata
USER 10001:10001
WORKDIR /var/lib/strata
EXPOSE 8400 8401 8402
STOPSIGNAL SIGTERM
# Whether the process answers. Stores that are down are /readyz's business: restarting Strata does not heal them.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "/opt/strata/probe.py", "http://127.0.0.1:8400/healthz"]
ENTRYPOINT ["strata"]
CMD ["up"]
