// What profilers wrote, read. The first byte chooses the form; what was read can be written, shown and subtracted.
#include <cstdint>
#include <cstdlib>

#include "proto/pprof/profile.h"

namespace {

using namespace weir;

void must(bool good) {
    if (!good) std::abort();
}

void check(const pprof::Profile& profile) {
    for (const auto& sample : profile.samples) {
        must(sample.values.size() == profile.sample_types.size());
        must(sample.stack.size() <= 1024);
        for (const auto value : sample.values) must(value >= 0);
    }
    for (const auto& mapping : profile.mappings) must(mapping.start < mapping.limit);
    must(!pprof::encode(profile, {}).empty());
    must(!pprof::text(profile, {}, "fuzz").empty());
    must(pprof::difference(profile, profile).samples.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view in(reinterpret_cast<const char*>(data + 1), size - 1);
    if (data[0] % 3 == 2) {
        for (const auto& mapping : pprof::read_maps(in)) must(mapping.start < mapping.limit);
        return 0;
    }
    const auto read = data[0] % 3 == 0 ? pprof::read_gperftools_cpu(in) : pprof::read_jemalloc_heap(in);
    if (read)
        check(*read);
    else
        must(read.error().code == Errc::bad_input && !read.error().what.empty());
    return 0;
}
