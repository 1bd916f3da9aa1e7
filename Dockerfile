# Three stages: the web pages, the Python packages, and what runs: Python, the packages, the code. Every RUN step works
# inside its WORKDIR by relative paths, so that tests/test_docker.py can run the steps in a clean folder.

FROM node:24-slim AS web
WORKDIR /app
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM python:3.11-slim AS packages
WORKDIR /app
COPY requirements.lock ./
RUN python3 -m venv .venv && .venv/bin/python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

FROM python:3.11-slim
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY --from=web /app/dist web/dist
COPY api api
COPY auth auth
COPY models models
COPY planner planner
COPY schema schema
RUN .venv/bin/python -m compileall -q api auth models planner schema
RUN mkdir data && chown 10001:10001 data
ENV KYOSO_DATA_DIR=data PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD [".venv/bin/python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz\", timeout=2)"]
CMD ["sh", "-c", ".venv/bin/python -m api migrate && exec .venv/bin/python -m api serve --host ${HOST:-0.0.0.0} --port ${PORT:-8000} --workers ${WORKERS:-2}"]
