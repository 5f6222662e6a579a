find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
# 1.81 on Debian 12, 1.83 on Debian 13 and Ubuntu 24.04.
find_package(Boost 1.81 REQUIRED COMPONENTS json url system)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(psl REQUIRED IMPORTED_TARGET libpsl)
# One's own FFmpeg: put its lib/pkgconfig into PKG_CONFIG_PATH.
pkg_check_modules(libav REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
