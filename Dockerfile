# weir in a small image: the program, the libraries it needs, certificates and time zones; no shell, no packages.
#   docker build -t weir .
#   docker run --rm -v "$PWD/out:/out" --user "$(id -u):$(id -g)" weir download URL
# and one that takes fc2-live-dl-go's arguments straight after the image, as that program's own image does:
#   docker build -t fc2-live-dl-go --target fc2-live-dl-go .
#   docker run --rm -v "$PWD/out:/out" --user "$(id -u):$(id -g)" fc2-live-dl-go download 91544481
# Runs as any user, with a read-only root. BASE: Debian 12 or 13, Ubuntu 24.04. FFMPEG=whole: the distribution's libraries as they are,
# with everything they can (the image is four times as large).
ARG BASE=debian:12
FROM ${BASE} AS build
ARG FFMPEG=small
WORKDIR /src
COPY tools/install-packages tools/build-small-ffmpeg tools/
RUN apt-get update && tools/install-packages build
RUN [ "$FFMPEG" = whole ] || tools/build-small-ffmpeg /usr/local
ENV PKG_CONFIG_PATH=/usr/local/lib/pkgconfig
COPY . .
RUN make build && tools/image-root build/release/bin/weir /image

FROM scratch AS root
COPY --from=build /image /
ENV PATH=/usr/local/bin
WORKDIR /out
# Nobody in particular: give --user for files of one's own.
USER 65532:65532
STOPSIGNAL SIGTERM

FROM root AS fc2-live-dl-go
ENTRYPOINT ["fc2-live-dl-go"]

FROM root AS weir
ENTRYPOINT ["weir"]
