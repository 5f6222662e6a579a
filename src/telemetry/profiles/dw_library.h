#pragma once
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

namespace weir::telemetry {

/// libdw, loaded when somebody wants a profile: at rest it would cost half a megabyte (docs/decisions/0010).
struct DwLibrary {
#define WEIR_DW_FUNCTIONS(X)    \
    X(dwfl_begin)               \
    X(dwfl_end)                 \
    X(dwfl_linux_proc_report)   \
    X(dwfl_linux_proc_find_elf) \
    X(dwfl_report_begin)        \
    X(dwfl_report_end)          \
    X(dwfl_addrmodule)          \
    X(dwfl_module_addrdie)      \
    X(dwfl_module_addrinfo)     \
    X(dwfl_module_build_id)     \
    X(dwfl_module_getsrc)       \
    X(dwfl_lineinfo)            \
    X(dwarf_attr)               \
    X(dwarf_attr_integrate)     \
    X(dwarf_child)              \
    X(dwarf_dieoffset)          \
    X(dwarf_diename)            \
    X(dwarf_filesrc)            \
    X(dwarf_formstring)         \
    X(dwarf_formudata)          \
    X(dwarf_getsrcfiles)        \
    X(dwarf_haspc)              \
    X(dwarf_ranges)             \
    X(dwarf_siblingof)          \
    X(dwarf_tag)
#define WEIR_DW_MEMBER(name) decltype(&::name) name = nullptr;
    WEIR_DW_FUNCTIONS(WEIR_DW_MEMBER)
#undef WEIR_DW_MEMBER
};

/// Null where it is not installed. Any thread.
[[nodiscard]] const DwLibrary* dw_library();

}  // namespace weir::telemetry
