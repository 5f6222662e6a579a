#include "telemetry/profiles/symbols.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "telemetry/profiles/dw_library.h"

namespace weir::telemetry {
namespace {

constexpr std::size_t max_known = 65'536;

std::string demangled(const std::string& name) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                           &std::free);
    return status == 0 && text ? std::string(text.get()) : name;
}

/// The program's own file is there even when an upgrade has put another in its place.
int find_elf(Dwfl_Module* module, void** data, const char* name, Dwarf_Addr base, char** file, Elf** elf) {
    std::error_code ec;
    if (name && std::filesystem::read_symlink("/proc/self/exe", ec) == name) {
        *file = ::strdup(name);
        return ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    }
    return dw_library()->dwfl_linux_proc_find_elf(module, data, name, base, file, elf);
}

/// Only what lies on this machine: libdw's own search would ask servers.
int find_debug_file(Dwfl_Module* module, void**, const char*, Dwarf_Addr, const char*, const char*, GElf_Word,
                    char** file) {
    const unsigned char* id = nullptr;
    GElf_Addr at = 0;
    const int size = dw_library()->dwfl_module_build_id(module, &id, &at);
    if (size < 2) return -1;
    std::string path = fmt::format("/usr/lib/debug/.build-id/{:02x}/", id[0]);
    for (int i = 1; i < size; ++i) path += fmt::format("{:02x}", id[i]);
    path += ".debug";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) *file = ::strdup(path.c_str());
    return fd;
}

/// One reading of this process's files; what libdw holds goes with it.
class Reading {
public:
    explicit Reading(const DwLibrary& dw) : dw_(dw), dwfl_(dw.dwfl_begin(&callbacks_)) {
        if (!dwfl_) return;
        dw_.dwfl_report_begin(dwfl_);
        dw_.dwfl_linux_proc_report(dwfl_, ::getpid());
        dw_.dwfl_report_end(dwfl_, nullptr, nullptr);
    }
    ~Reading() {
        if (dwfl_) dw_.dwfl_end(dwfl_);
    }
    Reading(const Reading&) = delete;

    /// Innermost first; empty: unknown.
    std::vector<pprof::Frame> frames(Dwarf_Addr address) {
        auto* module = dwfl_ ? dw_.dwfl_addrmodule(dwfl_, address) : nullptr;
        if (!module) return {};
        Dwarf_Addr bias = 0;
        std::vector<pprof::Frame> out;
        if (auto* unit = dw_.dwfl_module_addrdie(module, address, &bias))
            out = named(*unit, functions_at(*unit, address - bias));
        const auto symbol = symbol_at(module, address);
        if (out.empty() && symbol.empty()) return {};
        if (out.empty()) out.emplace_back();
        auto& outermost = out.back();
        if (outermost.system_name.empty() && !symbol.empty()) outermost.system_name = symbol;
        for (auto& frame : out)
            if (!frame.system_name.empty()) frame.function = demangled(frame.system_name);
        place(module, address, out.front());
        return out;
    }

private:
    struct Function {
        Dwarf_Addr from, to;
        Dwarf_Die die;
    };

    std::string symbol_at(Dwfl_Module* module, Dwarf_Addr address) const {
        GElf_Off offset = 0;
        GElf_Sym symbol{};
        const char* name = dw_.dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
        return name ? name : "";
    }

    void place(Dwfl_Module* module, Dwarf_Addr address, pprof::Frame& frame) const {
        int line = 0;
        auto* source = dw_.dwfl_module_getsrc(module, address);
        const char* file = source ? dw_.dwfl_lineinfo(source, nullptr, &line, nullptr, nullptr, nullptr) : nullptr;
        if (!file) return;
        frame.file = file;
        frame.line = line;
    }

    /// A unit's functions by address: it may have tens of thousands, and is asked often.
    const std::vector<Function>& functions_of(Dwarf_Die& unit) {
        const auto [at, fresh] = units_.try_emplace(unit.addr);
        if (!fresh) return at->second;
        collect(unit, at->second);
        std::sort(at->second.begin(), at->second.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
        return at->second;
    }
    void collect(Dwarf_Die& parent, std::vector<Function>& into) const {
        Dwarf_Die die{};
        for (int more = dw_.dwarf_child(&parent, &die); more == 0; more = dw_.dwarf_siblingof(&die, &die)) {
            const int tag = dw_.dwarf_tag(&die);
            if (tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type) collect(die, into);
            if (tag != DW_TAG_subprogram) continue;
            Dwarf_Addr base = 0, from = 0, to = 0;
            for (std::ptrdiff_t next = 0; (next = dw_.dwarf_ranges(&die, next, &base, &from, &to)) > 0;)
                into.push_back({from, to, die});
        }
    }

    /// The function there and what is inlined into it, outermost first.
    std::vector<Dwarf_Die> functions_at(Dwarf_Die& unit, Dwarf_Addr address) {
        const auto& all = functions_of(unit);
        auto after = std::upper_bound(all.begin(), all.end(), address,
                                      [](Dwarf_Addr a, const Function& f) { return a < f.from; });
        if (after == all.begin() || address >= std::prev(after)->to) return {};
        std::vector<Dwarf_Die> nest{std::prev(after)->die};
        descend(nest.back(), address, nest);
        return nest;
    }
    void descend(Dwarf_Die parent, Dwarf_Addr address, std::vector<Dwarf_Die>& nest) const {
        Dwarf_Die die{};
        for (int more = dw_.dwarf_child(&parent, &die); more == 0; more = dw_.dwarf_siblingof(&die, &die)) {
            const int tag = dw_.dwarf_tag(&die);
            const bool inlined = tag == DW_TAG_inlined_subroutine;
            if ((!inlined && tag != DW_TAG_lexical_block) || dw_.dwarf_haspc(&die, address) <= 0) continue;
            if (inlined) nest.push_back(die);
            descend(die, address, nest);
            return;
        }
    }

    /// Names, and for each but the innermost the line of the call in it.
    std::vector<pprof::Frame> named(Dwarf_Die& unit, std::vector<Dwarf_Die> nest) const {
        std::vector<pprof::Frame> out;
        for (std::size_t i = nest.size(); i-- > 0;) {
            pprof::Frame frame;
            frame.system_name = text_of(nest[i], DW_AT_linkage_name);
            if (const char* plain = dw_.dwarf_diename(&nest[i])) frame.function = plain;
            if (i + 1 < nest.size()) {
                frame.line = static_cast<std::int64_t>(number_of(nest[i + 1], DW_AT_call_line));
                frame.file = file_of(unit, number_of(nest[i + 1], DW_AT_call_file));
            }
            out.push_back(std::move(frame));
        }
        return out;
    }

    std::string text_of(Dwarf_Die& die, unsigned attribute) const {
        Dwarf_Attribute found{};
        const char* text = dw_.dwarf_formstring(dw_.dwarf_attr_integrate(&die, attribute, &found));
        return text ? text : "";
    }
    Dwarf_Word number_of(Dwarf_Die& die, unsigned attribute) const {
        Dwarf_Attribute found{};
        Dwarf_Word value = 0;
        auto* at = dw_.dwarf_attr(&die, attribute, &found);
        return at && dw_.dwarf_formudata(at, &value) == 0 ? value : 0;
    }
    std::string file_of(Dwarf_Die& unit, Dwarf_Word index) const {
        Dwarf_Files* files = nullptr;
        std::size_t count = 0;
        if (dw_.dwarf_getsrcfiles(&unit, &files, &count) != 0 || index >= count) return {};
        const char* name = dw_.dwarf_filesrc(files, index, nullptr, nullptr);
        return name ? name : "";
    }
    static constexpr Dwfl_Callbacks callbacks_{find_elf, find_debug_file, nullptr, nullptr};
    const DwLibrary& dw_;
    Dwfl* dwfl_;
    std::map<void*, std::vector<Function>> units_;  ///< by the unit's own entry
};

}  // namespace

pprof::Symbols Symbolizer::look_up(const std::set<std::uint64_t>& addresses) {
    const auto* dw = dw_library();
    if (!dw) return {};
    if (known_.size() + addresses.size() > max_known) known_.clear();
    std::optional<Reading> reading;
    pprof::Symbols out;
    for (const auto address : addresses) {
        auto found = known_.find(address);
        if (found == known_.end()) {
            if (!reading) reading.emplace(*dw);
            found = known_.emplace(address, reading->frames(address)).first;
        }
        if (!found->second.empty()) out.insert(*found);
    }
    return out;
}

}  // namespace weir::telemetry
