#include "io/http_head.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace weir {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using BeastText = boost::beast::string_view;

std::string_view plain(BeastText s) {
    return {s.data(), s.size()};
}

std::string lower(std::string_view s) {
    std::string out(s);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

Error bad(int status, std::string what) {
    return Error{Errc::bad_input, std::move(what), "http request", {}, status};
}

/// Beast's grammar, our memory: keeps the fields in order and nothing else.
class Collector final : public http::basic_parser<true> {
public:
    ServerRequest request;
    int version = 11;

private:
    void on_request_impl(http::verb, BeastText method, BeastText target, int v, error_code&) override {
        request.method = plain(method);
        request.target = plain(target);
        version = v;
    }
    void on_response_impl(int, BeastText, int, error_code&) override {}
    void on_field_impl(http::field, BeastText name, BeastText value, error_code&) override {
        request.headers.emplace_back(lower(plain(name)), std::string(plain(value)));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
    std::size_t on_body_impl(BeastText, error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, BeastText, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, BeastText, error_code&) override { return 0; }
    void on_finish_impl(error_code&) override {}
};

struct Lengths {
    const std::string* host = nullptr;
    std::size_t hosts = 0, lengths = 0, encodings = 0;
    const std::string *length = nullptr, *encoding = nullptr;
};

Lengths gather(const ServerRequest& request) {
    Lengths found;
    for (const auto& [name, value] : request.headers) {
        if (name == "host") found.host = &value, ++found.hosts;
        if (name == "content-length") found.length = &value, ++found.lengths;
        if (name == "transfer-encoding") found.encoding = &value, ++found.encodings;
    }
    return found;
}

/// How long the body is: the one place where request smuggling is refused.
Result<> decide_body(ServerRequest& request, bool http10) {
    const auto found = gather(request);
    if (found.hosts > 1 || (found.hosts == 0 && !http10)) return bad(400, "exactly one Host field is needed");
    if (found.encodings && found.lengths) return bad(400, "Content-Length beside Transfer-Encoding");
    if (found.lengths > 1) return bad(400, "more than one Content-Length");
    if (found.encodings) {
        if (http10) return bad(400, "Transfer-Encoding in HTTP/1.0");
        if (found.encodings > 1 || lower(*found.encoding) != "chunked")
            return bad(501, "only the chunked coding is known");
        request.chunked = true;
    }
    if (found.lengths) {
        const auto& text = *found.length;
        std::uint64_t n = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
        if (ec != std::errc() || end != text.data() + text.size() || text.empty() || n > (std::uint64_t{1} << 60))
            return bad(400, "Content-Length is not a plain number below 2^60");
        request.content_length = n;
    }
    return {};
}

Result<std::string> percent_decoded(std::string_view raw) {
    std::string out;
    out.reserve(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '%') {
            const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
            const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0) return bad(400, "a bad % escape in the path");
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') return bad(400, "a NUL in the path");
        out.push_back(c);
    }
    return out;
}

/// As Go writes a path, letters, digits and these; what is escaped already stays so.
std::string percent_encoded(std::string_view path) {
    constexpr std::string_view plain_ones = "-_.~$&+,/:;=@%", digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : path) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || plain_ones.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

/// origin-form, absolute-form and the asterisk of OPTIONS; the authority form belongs to proxies.
Result<> split_target(ParsedHead& head, bool tell_unclean) {
    auto& request = head.request;
    std::string_view rest = request.target;
    if (request.method == "CONNECT") return bad(501, "this is not a proxy");
    if (rest == "*") {
        request.path = "*";
        return request.method == "OPTIONS" ? Result<>{} : bad(400, "the target '*' is for OPTIONS");
    }
    if (const auto scheme = rest.find("://"); !rest.starts_with('/') && scheme != std::string_view::npos) {
        rest.remove_prefix(scheme + 3);
        const auto slash = rest.find_first_of("/?");
        rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash);
    } else if (!rest.starts_with('/')) {
        return bad(400, "the target does not begin with '/'");
    }
    rest = rest.substr(0, rest.find('#'));
    const auto question = rest.find('?');
    if (question != std::string_view::npos) request.query = rest.substr(question + 1);
    auto path = tell_unclean ? percent_decoded(rest.substr(0, question)) : normal_path(rest.substr(0, question));
    if (!path) return path.error();
    // Escaped slashes and dots belong to a name (relay/WIN-9): only a path that is not clean as sent is told.
    const auto raw = rest.substr(0, question);
    if (tell_unclean && !raw.empty() && clean_path(raw) != raw) {
        head.clean_target = percent_encoded(clean_path(raw));
        if (question != std::string_view::npos) head.clean_target += rest.substr(question);
    }
    request.path = path->empty() ? "/" : std::move(*path);
    return {};
}

bool wants_to_stay(const ServerRequest& request, bool http10) {
    bool close = false, keep = false;
    for (const auto& [name, value] : request.headers) {
        if (name != "connection") continue;
        for (const auto token : http::token_list(BeastText(value.data(), value.size()))) {
            const auto word = lower(plain(token));
            close |= word == "close";
            keep |= word == "keep-alive";
        }
    }
    return !close && (!http10 || keep);
}

Result<ParsedHead> parse_whole(const std::string& head, bool tell_unclean) {
    Collector collector;
    collector.eager(false);
    collector.header_limit(static_cast<std::uint32_t>(HeadParser::max_head + 1));
    collector.body_limit(boost::none);
    error_code ec;
    const auto used = collector.put(boost::asio::const_buffer(head.data(), head.size()), ec);
    if (ec == http::error::bad_version) return bad(505, "not HTTP/1.0 or 1.1");
    if (ec == http::error::bad_transfer_encoding)
        return bad(400, "Transfer-Encoding is wrong or beside Content-Length");
    if (ec) return bad(400, "malformed head: " + ec.message());
    if (used != head.size() || !collector.is_header_done()) return bad(400, "malformed head");

    ParsedHead out;
    out.request = std::move(collector.request);
    if (collector.version != 10 && collector.version != 11) return bad(505, "not HTTP/1.0 or 1.1");
    out.http10 = collector.version == 10;
    if (auto r = decide_body(out.request, out.http10); !r) return r.error();
    if (auto r = split_target(out, tell_unclean); !r) return r.error();
    out.keep_alive = wants_to_stay(out.request, out.http10);
    const auto* expect = out.request.find("expect");
    const bool has_body = out.request.chunked || out.request.content_length.value_or(0) > 0;
    if (expect && lower(*expect) != "100-continue") return bad(417, "only 100-continue can be expected");
    out.expect_continue = expect && has_body && !out.http10;
    return out;
}

}  // namespace

const std::string* ServerRequest::find(std::string_view name) const {
    const auto it = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
    return it == headers.end() ? nullptr : &it->second;
}

std::string clean_path(std::string_view path) {
    std::vector<std::string_view> kept;
    for (auto rest = path; !rest.empty();) {
        const auto segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(segment.size() + 1, rest.size()));
        if (segment == ".." && !kept.empty()) kept.pop_back();
        if (!segment.empty() && segment != "." && segment != "..") kept.push_back(segment);
    }
    std::string out;
    for (const auto segment : kept) out.append("/").append(segment);
    if (out.empty() || path.ends_with('/')) out += '/';
    return out;
}

Result<std::string> normal_path(std::string_view raw) {
    auto decoded = percent_decoded(raw);
    if (!decoded) return decoded.error();
    std::string out = "/";
    std::string_view rest = *decoded;
    while (!rest.empty()) {
        if (rest.front() == '/') rest.remove_prefix(1);
        const auto segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(segment.size());
        const bool last = rest.empty();
        if (segment == "..") {
            if (out == "/") return bad(400, "the path climbs above its root");
            out.resize(out.rfind('/', out.size() - 2) + 1);
        } else if (segment != ".") {
            out += segment;
            if (!last) out += '/';
        }
    }
    return out;
}

Result<> HeadParser::fail(int status, std::string what) {
    failed_ = bad(status, std::move(what));
    return *failed_;
}

Result<> HeadParser::take(char c) {
    if (head_.empty() && (c == '\r' || c == '\n')) {  // RFC 9112 2.2: an empty line before the request is forgiven
        if (c == '\n' && ++empty_lines_ > 4) return fail(400, "empty lines instead of a request");
        return {};
    }
    const bool after_cr = !head_.empty() && head_.back() == '\r';
    if (after_cr != (c == '\n')) return fail(400, "a line does not end in CR LF");
    if (c == '\0') return fail(400, "a NUL in the head");
    if (line_ == 0 && fields_ > 0 && (c == ' ' || c == '\t')) return fail(400, "a folded header line");
    if (head_.size() == max_head) return fail(431, "the head is longer than 16 KiB");
    head_.push_back(c);
    if (c != '\n') {
        // Method and version beside the target fit into 64 bytes.
        if (++line_ > max_target + 64 && fields_ == 0) return fail(414, "the request line is longer than 8 KiB");
        return {};
    }
    if (line_ == 1) {
        whole_ = true;
    } else if (++fields_ > max_fields + 1) {
        return fail(431, "more than 100 header fields");
    }
    line_ = 0;
    return {};
}

Result<std::optional<ParsedHead>> HeadParser::feed(std::span<const std::byte> in, std::size_t& consumed) {
    consumed = 0;
    if (failed_) return *failed_;
    for (const auto b : in) {
        if (auto r = take(static_cast<char>(b)); !r) return r.error();
        ++consumed;
        if (whole_) break;
    }
    if (!whole_) return std::optional<ParsedHead>{};
    auto parsed = parse_whole(head_, tell_unclean_);
    if (!parsed) {
        failed_ = parsed.error();
        return parsed.error();
    }
    *this = HeadParser(tell_unclean_);
    return std::optional<ParsedHead>(std::move(*parsed));
}

Error ChunkDecoder::fail(std::string_view what) {
    state_ = State::failed;
    why_ = what;
    return Error{Errc::bad_input, std::string(what), "chunked body", {}, 400};
}

/// One byte of framing; the data itself never comes here.
Result<> ChunkDecoder::take(unsigned char c) {
    switch (state_) {
        case State::size: {
            const int value = hex_value(static_cast<char>(c));
            if (value >= 0) {
                if (++digits_ > 16 || left_ >> 56) return fail("a chunk size is above the limit");
                left_ = left_ * 16 + static_cast<unsigned>(value);
                return {};
            }
            if (digits_ == 0) return fail("a chunk without a size");
            line_ = digits_;
            if (c == '\r')
                state_ = State::size_lf;
            else if (c == ';' || c == ' ' || c == '\t')
                state_ = State::extension;
            else
                return fail("a chunk size is not a hexadecimal number");
            return {};
        }
        case State::extension:
            if (c == '\r')
                state_ = State::size_lf;
            else if (c == '\n' || c == '\0')
                return fail("a chunk size line does not end in CR LF");
            else if (++line_ > 1024)
                return fail("a chunk size line is longer than 1 KiB");
            return {};
        case State::size_lf:
            if (c != '\n') return fail("a chunk size line does not end in CR LF");
            state_ = left_ ? State::data : State::trailer;
            digits_ = line_ = 0;
            return {};
        case State::data_cr:
        case State::data_lf:
            if (c != (state_ == State::data_cr ? '\r' : '\n')) return fail("a chunk does not end where its size says");
            state_ = state_ == State::data_cr ? State::data_lf : State::size;
            return {};
        case State::trailer:
            if (c == '\r')
                state_ = State::trailer_lf;
            else if (c == '\n' || c == '\0')
                return fail("a trailer line does not end in CR LF");
            else if (++line_, ++trailers_ > (8u << 10))
                return fail("trailers longer than 8 KiB");
            return {};
        case State::trailer_lf:
            if (c != '\n') return fail("a trailer line does not end in CR LF");
            state_ = line_ ? State::trailer : State::done;
            line_ = 0;
            return {};
        default:
            return fail("chunk decoder in a wrong state");
    }
}

Result<ChunkDecoder::Step> ChunkDecoder::feed(std::span<const std::byte> in) {
    if (state_ == State::failed) return fail(why_);
    Step step;
    while (step.consumed < in.size() && state_ != State::done) {
        if (state_ != State::data) {
            if (auto r = take(static_cast<unsigned char>(in[step.consumed])); !r) return r.error();
            ++step.consumed;
            continue;
        }
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - step.consumed));
        step.data = in.subspan(step.consumed, count);
        step.consumed += count;
        left_ -= count;
        if (left_ == 0) state_ = State::data_cr;
        return step;
    }
    step.done = state_ == State::done;
    return step;
}

/// The framing between two chunks, or before the first, when all of it is here; else 0, and take() goes byte by byte.
std::size_t ChunkDecoder::take_quickly(std::span<const std::byte> in) {
    const auto at = [&](std::size_t i) { return i < in.size() ? static_cast<char>(in[i]) : '\0'; };
    std::size_t used = 0;
    if (state_ == State::data_cr) {
        if (at(0) != '\r' || at(1) != '\n') return 0;
        used = 2;
    } else if (state_ != State::size || digits_ != 0) {
        return 0;
    }
    std::uint64_t size = 0;
    const auto first = used;
    for (int value = 0; used - first < 8 && (value = hex_value(at(used))) >= 0; ++used)
        size = size * 16 + static_cast<unsigned>(value);
    if (size == 0 || at(used) != '\r' || at(used + 1) != '\n') return 0;
    left_ = size;
    state_ = State::data;
    return used + 2;
}

ChunkDecoder::Stripped ChunkDecoder::strip(std::span<std::byte> buffer, std::size_t before,
                                           std::vector<std::uint32_t>& borders) {
    Stripped out;
    out.failed = state_ == State::failed;
    while (!out.failed && out.consumed < buffer.size() && state_ != State::done) {
        const auto rest = buffer.subspan(out.consumed);
        if (state_ == State::data) {
            const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
            if (out.data != out.consumed) std::memmove(buffer.data() + out.data, rest.data(), count);
            out.data += count;
            out.consumed += count;
            left_ -= count;
            if (left_ > 0) continue;
            state_ = State::data_cr;
            borders.push_back(static_cast<std::uint32_t>(before + out.data));
        } else if (const auto used = take_quickly(rest)) {
            out.consumed += used;
        } else {
            out.failed = !take(static_cast<unsigned char>(rest.front()));
            ++out.consumed;
        }
    }
    out.done = state_ == State::done;
    return out;
}

}  // namespace weir
