#include "sources/hls/hls_metrics.h"

#include "base/metrics.h"

namespace weir::hls {

void count_errors(int more) {
    static auto errors = metrics::counter("downloads_errors_total", "Number of errors during downloads");
    errors.add(more);
}

}  // namespace weir::hls
