#include <elf.h>
#include <link.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "telemetry/profiles/symbols.h"

namespace weir::telemetry {
namespace {

struct Built {
    std::uint64_t from, to;
    std::string id;
};

std::string hex(const unsigned char* bytes, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += fmt::format("{:02x}", bytes[i]);
    return out;
}

/// The note of owner "GNU" and type 3 in a segment of notes.
std::string build_id_in(const unsigned char* notes, std::size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(notes);
        const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
        const auto whole = sizeof *note + padded(note->n_namesz) + padded(note->n_descsz);
        if (whole > size) break;
        const auto* name = notes + sizeof *note;
        if (note->n_type == NT_GNU_BUILD_ID &&
            std::string_view(reinterpret_cast<const char*>(name), note->n_namesz) == std::string_view("GNU", 4))
            return hex(name + padded(note->n_namesz), note->n_descsz);
        notes += whole;
        size -= whole;
    }
    return {};
}

int add_built(dl_phdr_info* info, std::size_t, void* into) {
    Built built{UINT64_MAX, 0, {}};
    for (const auto* p = info->dlpi_phdr; p != info->dlpi_phdr + info->dlpi_phnum; ++p) {
        const auto at = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD) {
            built.from = std::min<std::uint64_t>(built.from, at);
            built.to = std::max<std::uint64_t>(built.to, at + p->p_memsz);
        } else if (p->p_type == PT_NOTE && built.id.empty()) {
            built.id = build_id_in(reinterpret_cast<const unsigned char*>(at), p->p_memsz);
        }
    }
    if (!built.id.empty()) static_cast<std::vector<Built>*>(into)->push_back(std::move(built));
    return 0;
}

}  // namespace

std::vector<pprof::Mapping> own_mappings() {
    std::ifstream in("/proc/self/maps");
    auto maps = pprof::read_maps(std::string(std::istreambuf_iterator<char>(in), {}));
    std::vector<Built> all;
    ::dl_iterate_phdr(add_built, &all);
    for (auto& mapping : maps)
        for (const auto& built : all)
            if (built.from <= mapping.start && mapping.start < built.to) mapping.build_id = built.id;
    std::error_code ec;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", ec).string();
    std::stable_partition(maps.begin(), maps.end(), [&](const auto& m) { return m.file == program; });
    return maps;
}

std::set<std::uint64_t> addresses_of(const pprof::Profile& profile) {
    std::set<std::uint64_t> out;
    for (const auto& sample : profile.samples)
        for (std::size_t i = 0; i < sample.stack.size(); ++i) out.insert(pprof::call_address(sample.stack[i], i == 0));
    return out;
}

}  // namespace weir::telemetry
