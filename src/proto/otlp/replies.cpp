#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "base/numbers.h"
#include "base/text.h"
#include "proto/otlp/otlp.h"

namespace weir::otlp {
namespace {

namespace json = boost::json;
using protozero::pbf_wire_type;

constexpr std::size_t most_bytes = 4u << 20, most_text = 1024, most_levels = 32;
constexpr std::int64_t longest_delay_seconds = 86'400, nanos_of_second = 1'000'000'000;
constexpr std::string_view retry_info = "google.rpc.RetryInfo";

Error bad(std::string what) {
    return Error{Errc::bad_input, std::move(what)};
}

/// What a log line should show of a stranger's text.
std::string shortened(std::string_view text) {
    auto out = valid_utf8(text.substr(0, most_text));
    if (text.size() > most_text) out += "…";
    return out;
}

Micros delay_of(std::int64_t seconds, std::int64_t nanos) {
    if (seconds < 0 || nanos < 0) return Micros{0};
    return std::chrono::seconds(std::min(seconds, longest_delay_seconds)) +
           Micros(std::min(nanos, nanos_of_second - 1) / 1000);
}

std::string_view bytes_in(protozero::pbf_reader& from) {
    const auto view = from.get_view();
    return {view.data(), view.size()};
}

/// Calls `take(number, reader)` for each field; one that it does not take (false), or of another wire type, is skipped.
template <class Take>
void each_field(std::string_view message, Take take) {
    protozero::pbf_reader from(message.data(), message.size());
    while (from.next())
        if (!take(from.tag_and_type(), from)) from.skip();
}

constexpr std::uint32_t number_at(std::uint32_t tag) {
    return protozero::tag_and_type(tag, pbf_wire_type::varint);
}
constexpr std::uint32_t bytes_at(std::uint32_t tag) {
    return protozero::tag_and_type(tag, pbf_wire_type::length_delimited);
}

Accepted binary_response(std::string_view body) {
    Accepted out;
    each_field(body, [&](std::uint32_t at, protozero::pbf_reader& from) {
        if (at != bytes_at(1)) return false;
        each_field(bytes_in(from), [&](std::uint32_t inner, protozero::pbf_reader& partial) {
            if (inner == number_at(1))
                out.rejected = partial.get_int64();
            else if (inner == bytes_at(2))
                out.message = shortened(bytes_in(partial));
            else
                return false;
            return true;
        });
        return true;
    });
    return out;
}

Micros binary_retry_info(std::string_view message) {
    Micros out{0};
    each_field(message, [&](std::uint32_t at, protozero::pbf_reader& from) {
        if (at != bytes_at(1)) return false;
        std::int64_t seconds = 0, nanos = 0;
        each_field(bytes_in(from), [&](std::uint32_t inner, protozero::pbf_reader& duration) {
            if (inner == number_at(1))
                seconds = duration.get_int64();
            else if (inner == number_at(2))
                nanos = duration.get_int32();
            else
                return false;
            return true;
        });
        out = delay_of(seconds, nanos);
        return true;
    });
    return out;
}

/// A google.protobuf.Any.
void read_detail(std::string_view message, RpcStatus& into) {
    std::string_view type, value;
    each_field(message, [&](std::uint32_t at, protozero::pbf_reader& from) {
        if (at == bytes_at(1))
            type = bytes_in(from);
        else if (at == bytes_at(2))
            value = bytes_in(from);
        else
            return false;
        return true;
    });
    if (type.substr(type.rfind('/') + 1) == retry_info) into.retry_delay = binary_retry_info(value);
}

RpcStatus binary_status(std::string_view body) {
    RpcStatus out;
    each_field(body, [&](std::uint32_t at, protozero::pbf_reader& from) {
        if (at == number_at(1))
            out.code = from.get_int32();
        else if (at == bytes_at(2))
            out.message = shortened(bytes_in(from));
        else if (at == bytes_at(3))
            read_detail(bytes_in(from), out);
        else
            return false;
        return true;
    });
    return out;
}

Result<json::object> object_in(std::string_view body) {
    json::parse_options options;
    options.max_depth = most_levels;
    boost::system::error_code ec;
    auto value = json::parse(json::string_view(body.data(), body.size()), ec, {}, options);
    if (ec) return bad(fmt::format("no JSON: {}", ec.message()));
    if (!value.is_object()) return bad("no JSON object");
    return std::move(value.get_object());
}

std::string_view text_of(const json::object& in, std::string_view name) {
    const auto* found = in.if_contains(json::string_view(name.data(), name.size()));
    if (!found || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
}

/// A number, or text that holds one.
std::int64_t number_of(const json::object& in, std::string_view name) {
    const auto* found = in.if_contains(json::string_view(name.data(), name.size()));
    if (!found) return 0;
    if (found->is_string()) {
        const auto number = parse_int(text_of(in, name));
        return number ? *number : 0;
    }
    boost::system::error_code ec;
    const auto number = found->to_number<std::int64_t>(ec);
    return ec ? 0 : number;
}

Accepted json_response(const json::object& body) {
    Accepted out;
    const auto* found = body.if_contains("partialSuccess");
    const auto* partial = found ? found->if_object() : nullptr;
    if (!partial) return out;
    for (const char* name : {"rejectedSpans", "rejectedDataPoints"})
        if (out.rejected == 0) out.rejected = number_of(*partial, name);
    out.message = shortened(text_of(*partial, "errorMessage"));
    return out;
}

/// "1.5s"
Micros json_duration(std::string_view text) {
    if (!text.ends_with('s')) return Micros{0};
    const auto seconds = parse_number(text.substr(0, text.size() - 1));
    if (!seconds || *seconds < 0) return Micros{0};
    const auto kept = std::min(*seconds, static_cast<double>(longest_delay_seconds));
    return Micros(static_cast<std::int64_t>(std::round(kept * 1e6)));
}

RpcStatus json_status(const json::object& body) {
    RpcStatus out;
    const auto code = number_of(body, "code");
    out.code = code < 0 || code > 1'000'000 ? 2 : static_cast<int>(code);
    out.message = shortened(text_of(body, "message"));
    const auto* details = body.if_contains("details");
    if (!details || !details->is_array()) return out;
    for (const auto& detail : details->get_array()) {
        const auto* one = detail.if_object();
        if (!one) continue;
        const auto type = text_of(*one, "@type");
        if (type.substr(type.rfind('/') + 1) == retry_info)
            out.retry_delay = json_duration(text_of(*one, "retryDelay"));
    }
    return out;
}

/// Nothing at all is a message too, of which everything is left out.
template <class T, class Binary, class FromJson>
Result<T> read_body(std::string_view body, Form form, Binary binary, FromJson from_json) {
    if (body.size() > most_bytes) return bad(fmt::format("an answer of more than {} bytes", most_bytes));
    if (body.empty()) return T{};
    if (form == Form::protobuf) try {
            return binary(body);
        } catch (const protozero::exception& e) {
            return bad(fmt::format("no protobuf message: {}", e.what()));
        }
    auto tree = object_in(body);
    if (!tree) return std::move(tree.error());
    return from_json(*tree);
}

}  // namespace

Result<Accepted> read_response(std::string_view body, Form form) {
    return read_body<Accepted>(body, form, binary_response, json_response);
}

Result<RpcStatus> read_status(std::string_view body, Form form) {
    return read_body<RpcStatus>(body, form, binary_status, json_status);
}

std::string grpc_frame(std::string_view message, bool compressed) {
    std::string out;
    out.reserve(message.size() + 5);
    out += compressed ? '\1' : '\0';
    for (const unsigned shift : {24u, 16u, 8u, 0u}) out += static_cast<char>(message.size() >> shift & 0xff);
    out += message;
    return out;
}

Result<std::string> grpc_message(std::string_view body) {
    if (body.size() < 5) return bad("no message in a gRPC answer");
    if (body[0] != 0)
        return body[0] == 1 ? Error{Errc::unsupported, "a compressed gRPC answer, which was not asked for"}
                            : bad("a gRPC answer with an unknown flag");
    std::uint64_t length = 0;
    for (const char c : body.substr(1, 4)) length = length << 8 | static_cast<unsigned char>(c);
    if (length > most_bytes) return bad(fmt::format("a gRPC answer of more than {} bytes", most_bytes));
    if (body.size() - 5 != length) return bad("a gRPC answer that is not one whole message");
    return std::string(body.substr(5));
}

}  // namespace weir::otlp
