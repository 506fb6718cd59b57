# One image with all five services and the command line; the command says which one runs: corder-ingest,
# corder-scheduler, corder-dispatcher, corder-persister, corder-monitor.
#   docker build -t corder .
#   docker run -e NATS_URL=… -e REDIS_URL=… -e DATABASE_URL=… corder corder-ingest

FROM debian:12-slim AS build
RUN apt-get update \
	&& apt-get install -y --no-install-recommends gcc libc6-dev cmake ninja-build pkg-config \
		libnats-dev libhiredis-dev libmariadb-dev libcjson-dev libmicrohttpd-dev libjemalloc-dev nodejs npm \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY CMakeLists.txt README.md* LICENSE ./
COPY cmake cmake
COPY deploy/systemd deploy/systemd
COPY shared shared
COPY subjects subjects
COPY services services
COPY clients clients
RUN cmake -S . -B /build -G Ninja -DCORDER_TESTS=OFF -DCORDER_DASHBOARD=ON -DCMAKE_INSTALL_PREFIX=/usr/local \
	&& cmake --build /build \
	&& DESTDIR=/out cmake --install /build --strip

FROM debian:12-slim
RUN apt-get update \
	&& apt-get install -y --no-install-recommends ca-certificates \
		libnats3.4 libhiredis0.14 libmariadb3 libcjson1 libmicrohttpd12 libjemalloc2 \
	&& rm -rf /var/lib/apt/lists/* \
	&& useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin corder
COPY --from=build /out/usr/local/bin /usr/local/bin
USER 10001
WORKDIR /
# The service is process 1; asked with --check, its program looks at the settings and at the servers.
HEALTHCHECK --interval=15s --timeout=10s --start-period=20s --retries=3 \
	CMD ["/bin/sh", "-c", "exec \"$(readlink /proc/1/exe)\" --check"]
STOPSIGNAL SIGTERM
EXPOSE 8080
CMD ["corder", "help"]
