#pragma once
#include <string_view>
#include <vector>

#include "base/trace.h"
#include "proto/otlp/otlp.h"
#include "proto/otlp/writer.h"

/// What spans and metrics share. (internal to proto/otlp)
namespace weir::otlp {

inline constexpr std::string_view schema_url = "https://opentelemetry.io/schemas/1.43.0";

template <class Writer>
void write_attribute(Writer& to, const trace::Attribute& attribute) {
    to.text(1, "key", attribute.first);
    to.message(2, "value", [&](Writer& value) {
        if (const auto* text = std::get_if<std::string>(&attribute.second))
            value.always_text(1, "stringValue", *text);
        else if (const auto* truth = std::get_if<bool>(&attribute.second))
            value.always_truth(2, "boolValue", *truth);
        else if (const auto* whole = std::get_if<std::int64_t>(&attribute.second))
            value.always_integer(3, "intValue", *whole);
        else
            value.always_real(4, "doubleValue", std::get<double>(attribute.second));
    });
}

template <class Writer>
void write_attributes(Writer& to, std::uint32_t number, const std::vector<trace::Attribute>& attributes) {
    to.list(number, "attributes", attributes,
            [](Writer& one, const trace::Attribute& attribute) { write_attribute(one, attribute); });
}

template <class Writer>
void write_resource(Writer& to, const Resource& resource) {
    to.message(1, "resource", [&](Writer& inside) { write_attributes(inside, 1, resource); });
}

template <class Writer>
void write_scope(Writer& to, std::string_view name) {
    to.message(1, "scope", [&](Writer& inside) { inside.text(1, "name", name); });
}

}  // namespace weir::otlp
