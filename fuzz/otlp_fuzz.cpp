// What an OTLP collector answers, what the environment says, and that whatever is traced is written well. The first byte chooses.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>

#include "base/text.h"
#include "proto/otlp/otlp.h"

namespace {

using namespace weir;

void must(bool good) {
    if (!good) std::abort();
}

bool shown_well(const std::string& text) {
    return text.size() < 4000 && valid_utf8(text) == text;
}

void response(std::string_view in, otlp::Form form) {
    const auto got = otlp::read_response(in, form);
    must(got ? shown_well(got->message) : got.error().code == Errc::bad_input && !got.error().what.empty());
}

void status(std::string_view in, otlp::Form form) {
    const auto got = otlp::read_status(in, form);
    if (!got) return must(got.error().code == Errc::bad_input && !got.error().what.empty());
    must(shown_well(got->message));
    must(!got->retry_delay || (*got->retry_delay >= Micros{0} && *got->retry_delay <= std::chrono::hours(25)));
}

void frame(std::string_view in) {
    if (const auto got = otlp::grpc_message(in)) must(otlp::grpc_frame(*got, false) == in);
    const auto back = otlp::grpc_message(otlp::grpc_frame(in, false));
    must(back && *back == in);
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

void endpoint(const otlp::Endpoint& of) {
    must(of.url.starts_with("http://") || of.url.starts_with("https://"));
    must(is_printable(of.url) && of.url.find(' ') == std::string::npos && of.url.find('@') > of.url.find('/', 8));
    must(of.timeout > Millis{0} && of.client_certificate.empty() == of.client_key.empty());
    for (const auto& [name, value] : of.headers) must(!name.empty() && is_printable(name + value));
}

/// Lines "NAME=value"; a name may leave the common beginning out.
void settings(std::string_view in) {
    std::map<std::string, std::string> variables;
    while (!in.empty()) {
        const auto end = std::min(in.find('\n'), in.size());
        const auto line = in.substr(0, end);
        in.remove_prefix(std::min(end + 1, in.size()));
        const auto equals = std::min(line.find('='), line.size());
        auto name = std::string(line.substr(0, equals));
        if (!name.starts_with("OTEL_")) name.insert(0, "OTEL_EXPORTER_OTLP_");
        variables[name] = line.substr(std::min(equals + 1, line.size()));
    }
    const auto got = otlp::read_settings(
        [&](const char* name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        "weir", "1");
    if (!got) return must(got.error().code == Errc::bad_input && got.error().what.starts_with("OTEL_"));
    if (got->disabled) return;
    endpoint(got->traces);
    endpoint(got->metrics);
    must(got->batch >= 1 && got->batch <= got->queue && got->ratio >= 0 && got->ratio <= 1);
    must(got->resource.size() >= 4);
}

/// What the field of that number holds; every other field is whole.
std::string_view inside(std::string_view message, std::uint32_t number) {
    protozero::pbf_reader from(message.data(), message.size());
    std::string_view out;
    while (from.next()) {
        if (from.tag() != number) {
            from.skip();
            continue;
        }
        const auto held = from.get_view();
        out = {held.data(), held.size()};
    }
    return out;
}

void span(std::string_view in) {
    trace::SpanData one{.tracer = std::string(in.substr(0, 5)), .name = std::string(in)};
    one.attributes = {{std::string(in), std::string(in)}, {"size", static_cast<std::int64_t>(in.size())}};
    one.events.push_back({{}, std::string(in), {{"k", static_cast<double>(in.size()) / 3}}, 0});
    one.failed = true;
    one.failure = in;
    const auto tree = boost::json::parse(otlp::trace_request({}, {&one, 1}, otlp::Form::json));
    const auto& shown = tree.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
    const auto text = valid_utf8(in);
    must(in.empty() || shown.at("name").as_string() == text);
    must(shown.at("attributes").at(0).at("value").at("stringValue").as_string() == text);
    const auto binary = otlp::trace_request({}, {&one, 1}, otlp::Form::protobuf);
    const auto sent = inside(inside(inside(binary, 1), 2), 2);
    must(inside(sent, 5) == text && inside(inside(sent, 11), 2) == text);
    must(inside(inside(sent, 15), 2) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view in(reinterpret_cast<const char*>(data + 1), size - 1);
    switch (data[0] % 7) {
        case 0:
            response(in, otlp::Form::protobuf);
            break;
        case 1:
            response(in, otlp::Form::json);
            break;
        case 2:
            status(in, otlp::Form::protobuf);
            break;
        case 3:
            status(in, otlp::Form::json);
            break;
        case 4:
            frame(in);
            break;
        case 5:
            settings(in);
            break;
        default:
            span(in);
    }
    return 0;
}
