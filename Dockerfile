# One image for every service of docker-compose.yml: what `make setup` brings, and the project. No root at run time.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates procps python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home pulseiq \
 && install --directory --owner pulseiq /srv/pulseiq /opt/pulseiq /var/lib/pulseiq

USER pulseiq
WORKDIR /srv/pulseiq
ENV PULSEIQ_TOOLS=/opt/pulseiq \
    PULSEIQ_HOME=/var/lib/pulseiq \
    PATH=/opt/pulseiq/envs/pipelines/bin:$PATH \
    PYTHONUNBUFFERED=1

# What is downloaded has layers of its own, which a changed line of code leaves alone: packages, then jars.
COPY --chown=pulseiq requirements requirements
COPY --chown=pulseiq scripts scripts
COPY --chown=pulseiq ivy.xml pyproject.toml ./
COPY --chown=pulseiq localstack/extension/pyproject.toml localstack/extension/
RUN python3 scripts/bootstrap --least-memory 0 --only pipelines,localstack,airflow && rm -rf /opt/pulseiq/uv-cache
COPY --chown=pulseiq pipelines/errors.py pipelines/
COPY --chown=pulseiq pipelines/platform/java.py pipelines/platform/toolchain.py pipelines/platform/
RUN python3 scripts/bootstrap --least-memory 0 --only jars

COPY --chown=pulseiq . .
RUN python3 scripts/bootstrap --least-memory 0 --with airflow && rm -rf /opt/pulseiq/uv-cache

ENTRYPOINT ["pulseiq"]
CMD ["--help"]
