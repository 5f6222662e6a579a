// Configuration files: the YAML tree within its limits, then the FC2 recorder's reading of it. Every complaint is lines of
// FILE:LINE:COLUMN that hold no control characters.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "apps/fc2/config.h"
#include "proto/yaml/document.h"

/// libfyaml 0.7.12 keeps 2 KiB of its own when a long quoted scalar is never closed.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT: the sanitizer's name
    return "leak:libfyaml\n";
}

namespace {

void must(bool good) {
    if (!good) std::abort();
}

std::size_t digits_at(std::string_view text, std::size_t from) {
    auto at = from;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
}

/// "f:12:3: what"
void must_be_a_complaint(std::string_view line) {
    must(line.starts_with("f:"));
    const auto line_digits = digits_at(line, 2);
    must(line_digits > 0 && line[2] != '0');
    const auto column_at = 2 + line_digits + 1;
    const auto column_digits = digits_at(line, column_at);
    must(column_digits > 0 && line[column_at] != '0' && line.substr(column_at + column_digits).starts_with(": "));
    for (const char c : line) must(static_cast<unsigned char>(c) >= 0x20);
}

void must_be_complaints(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        if (!line.starts_with("… and ")) must_be_a_complaint(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::size_t nodes_below(const weir::yaml::Node& node, int depth) {
    must(depth <= 21);
    std::size_t count = 1;
    for (const auto& item : node.items()) count += nodes_below(item, depth + 1);
    for (const auto& entry : node.entries()) {
        must(entry.key.kind() == weir::yaml::Kind::scalar && node.find(entry.key.text()) == &entry.value);
        count += 1 + nodes_below(entry.value, depth + 1);
    }
    return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    constexpr std::size_t most = 2'000;
    const auto root = weir::yaml::parse(text, "f", {.bytes = 1u << 16, .depth = 20, .nodes = most});
    if (!root) {
        must(root.error().code == weir::Errc::bad_input && root.error().what.find('\n') == std::string::npos);
        must_be_complaints(root.error().what);
        return 0;
    }
    must(nodes_below(*root, 1) <= most);
    const auto loaded = weir::fc2::parse_config(text, "f");
    if (!loaded) {
        must_be_complaints(loaded.error().what);
        return 0;
    }
    for (const auto& warning : loaded->warnings)
        must(warning == "f: more warnings than are told" || (must_be_a_complaint(warning), true));
    for (const auto& channel : loaded->config.channels) must(!channel.first.empty());
    return 0;
}
