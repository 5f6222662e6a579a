#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/gotemplate/json.h"
#include "proto/gotemplate/template.h"

namespace {

using weir::gotemplate::Value;

const Value& sample() {
    static const Value data = Value::structure(
        "",
        {{"Title", Value::text("t <&> \xFF")},
         {"Labels", Value::labels({{"a", "1"}, {"dir", "a/b"}})},
         {"N", Value::any(Value::number(72364867))},
         {"Count", Value::json_number("12.50")},
         {"Error", Value::interface(weir::gotemplate::types::error(), Value::error("eof"))},
         {"P", Value::pointer(Value::structure("main.named", {{"A", Value::integer(1)}, {"c", Value::integer(3)}}))},
         {"D", Value::duration(90'000'000'001)},
         {"T", Value::zero(weir::gotemplate::types::time())},
         {"L", Value::strings({"x", "y", "z"})},
         {"Nil", Value()}});
    return data;
}

}  // namespace

/// A template, then after a NUL maybe JSON data: a result or a stated error, within the limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using namespace weir::gotemplate;
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const auto end = std::min(input.find('\0'), input.size());
    Options options;
    options.keep_pieces = true;
    options.limits.steps = 20'000;
    options.limits.output_bytes = 64 * 1024;
    options.limits.made_bytes = 256 * 1024;
    const auto parsed = Template::parse("fuzz", input.substr(0, end), options);
    if (!parsed) {
        if (!parsed.error().what.starts_with("template: fuzz:")) __builtin_trap();
        return 0;
    }
    Value data = sample();
    if (end < input.size()) {
        auto given = value_from_json(input.substr(end + 1));
        if (!given) return 0;
        data = *given;
    }
    const auto result = parsed->run(data);
    std::size_t counted = 0;
    for (const auto& piece : result.pieces) counted += piece.size;
    if (counted != result.output.size() || counted > options.limits.output_bytes) __builtin_trap();
    if (result.error && !result.error->what.starts_with("template: fuzz:")) __builtin_trap();
    return 0;
}
