# The window in a container, as a user without rights. See docs/howto/install.md.
#   docker build -t underbrush .
#   docker run --rm -p 8642:8642 -v "$PWD/images:/data" underbrush
#   docker run --rm -v "$PWD:/data" underbrush predict /data/nuclei.ilp /data/cells.tif

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/underbrush && /opt/underbrush/bin/pip install --no-cache-dir .

FROM python:3.11-slim-bookworm
# The number of the user can be chosen, so that files in a mounted folder belong to the one who started it.
ARG USER_ID=1000
# New projects go to ~/Underbrush. A container is thrown away: they must lie in what is mounted.
RUN useradd --uid "$USER_ID" --create-home brush && mkdir /data && chown brush:brush /data \
    && ln -s /data /home/brush/Underbrush
COPY --from=build /opt/underbrush /opt/underbrush
ENV PATH=/opt/underbrush/bin:$PATH PYTHONUNBUFFERED=1 UNDERBRUSH_CACHE_DIR=/home/brush/.cache/underbrush
USER ${USER_ID}
# Kernels are compiled for the processor of this machine; on another kind they are compiled anew at the first start.
RUN underbrush warmup
WORKDIR /data
VOLUME /data
EXPOSE 8642
# Without its key the server answers 401: it is there, and lets nobody in.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8642, timeout=4); c.request('GET', '/'); sys.exit(c.getresponse().status not in (200, 302, 303, 307, 401))"]
ENTRYPOINT ["underbrush"]
CMD ["--host", "0.0.0.0", "--port", "8642", "--no-browser", "--root", "/data"]
