#include "proto/websocket/handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace weir::ws {
namespace {

constexpr std::size_t max_head = 8192, max_fields = 100, max_protocols = 32;
constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

Error refused(int status, std::string what) {
    return Error{Errc::bad_input, std::move(what), "websocket handshake", {}, status};
}

bool is_digit_or_letter(char c) {
    const char l = ascii_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9');
}

/// RFC 7230 3.2.6
bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_digit_or_letter(c) || token_marks.find(c) != std::string_view::npos;
    });
}

bool is_control_character(char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
}

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

/// The elements of a comma list, without the empty ones.
std::vector<std::string_view> elements(std::string_view list) {
    std::vector<std::string_view> out;
    for (std::size_t from = 0; from <= list.size();) {
        const std::size_t to = std::min(list.find(',', from), list.size());
        const auto one = stripped(list.substr(from, to - from));
        if (!one.empty()) out.push_back(one);
        from = to + 1;
    }
    return out;
}

/// The fields of one name; a list may be spread over several.
class Fields {
public:
    Fields(const Headers& headers, std::string_view name) {
        for (const auto& [n, value] : headers)
            if (n == name) values_.push_back(value);
    }
    [[nodiscard]] std::size_t count() const { return values_.size(); }
    [[nodiscard]] std::string_view first() const { return values_.empty() ? std::string_view() : values_.front(); }
    [[nodiscard]] bool has(std::string_view word) const {
        return std::any_of(values_.begin(), values_.end(), [word](std::string_view v) {
            const auto list = elements(v);
            return std::any_of(list.begin(), list.end(), [word](auto e) { return same_word(e, word); });
        });
    }
    [[nodiscard]] const std::vector<std::string_view>& values() const { return values_; }

private:
    std::vector<std::string_view> values_;
};

/// 22 characters of base64 and "==": how sixteen bytes look.
bool is_key(std::string_view key) {
    const auto letter = [](char c) { return is_digit_or_letter(c) || c == '+' || c == '/'; };
    return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, letter);
}

std::string base64(std::span<const unsigned char> bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL writes a zero behind it
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

Result<> check_size(const Headers& headers) {
    if (headers.size() > max_fields) return refused(431, fmt::format("more than {} header fields", max_fields));
    std::size_t bytes = 0;
    for (const auto& [name, value] : headers) bytes += name.size() + value.size();
    if (bytes > max_head) return refused(431, fmt::format("header fields above {} bytes", max_head));
    return {};
}

Result<std::vector<std::string>> offered_protocols(const Headers& headers) {
    std::vector<std::string> out;
    const Fields fields(headers, "sec-websocket-protocol");
    for (const auto value : fields.values())
        for (const auto one : elements(value)) {
            if (!is_token(one)) return refused(400, "a sub-protocol that is no token");
            if (out.size() == max_protocols)
                return refused(431, fmt::format("more than {} sub-protocols", max_protocols));
            out.emplace_back(one);
        }
    return out;
}

std::string without_controls(std::string_view text, bool spaces) {
    std::string out;
    for (const char c : text)
        if (!is_control_character(c))
            out += c;
        else if (spaces)
            out += ' ';
    return out;
}

std::string request_text(const ClientHandshake::Request& request, std::string_view key) {
    std::string target = without_controls(request.target, false);
    std::erase(target, ' ');
    if (!target.starts_with('/')) target.insert(0, 1, '/');
    auto out = fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
        "Sec-WebSocket-Version: 13\r\n",
        target, without_controls(request.host, false), key);
    if (!request.protocols.empty()) {
        std::string list;
        for (const auto& one : request.protocols)
            if (is_token(one)) list += (list.empty() ? "" : ", ") + one;
        if (!list.empty()) out += fmt::format("Sec-WebSocket-Protocol: {}\r\n", list);
    }
    for (const auto& [name, value] : request.headers)
        if (is_token(name)) out += fmt::format("{}: {}\r\n", name, without_controls(value, true));
    return out + "\r\n";
}

/// "HTTP/1.1 101 Switching Protocols" to 101, or 0.
int status_of(std::string_view line) {
    const auto digit = [line](std::size_t at) { return line[at] >= '0' && line[at] <= '9' ? line[at] - '0' : -1000; };
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || digit(7) < 0 || line[8] != ' ') return 0;
    if (line.size() > 12 && line[12] != ' ') return 0;
    const int status = digit(9) * 100 + digit(10) * 10 + digit(11);
    return status >= 100 && status <= 599 ? status : 0;
}

Result<std::pair<std::string, std::string>> field_of(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return refused(0, "a line in the answer that is no header field");
    const auto value = stripped(line.substr(colon + 1));
    if (std::any_of(value.begin(), value.end(), [](char c) { return is_control_character(c) && c != '\t'; }))
        return refused(0, "control characters in the answer");
    return std::pair(ascii_lowered(line.substr(0, colon)), std::string(value));
}

}  // namespace

std::string accept_key(std::string_view key) {
    const auto text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    WEIR_ASSERT(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
    return base64(std::span(digest).first(size));
}

Result<Offer> read_upgrade(std::string_view method, const Headers& headers) {
    if (auto fits = check_size(headers); !fits) return fits.error();
    if (method != "GET") return refused(405, "a websocket is opened with GET");
    if (!Fields(headers, "upgrade").has("websocket") || !Fields(headers, "connection").has("upgrade"))
        return refused(400, "not a websocket upgrade");
    const Fields version(headers, "sec-websocket-version"), key(headers, "sec-websocket-key");
    if (version.count() != 1) return refused(400, "exactly one Sec-WebSocket-Version is needed");
    if (version.first() != "13") return refused(426, "only version 13 of the websocket protocol");
    if (key.count() != 1 || !is_key(key.first()))
        return refused(400, "Sec-WebSocket-Key is not sixteen bytes in base64");
    const Fields origin(headers, "origin"), host(headers, "host");
    if (origin.count() > 1 || host.count() > 1) return refused(400, "more than one Origin or Host");
    auto protocols = offered_protocols(headers);
    if (!protocols) return protocols.error();
    return Offer{std::string(key.first()), std::move(*protocols), std::string(origin.first()),
                 std::string(host.first())};
}

std::string accept_answer(const Offer& offer, std::string_view protocol) {
    auto out = fmt::format(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept_key(offer.key));
    if (is_token(protocol)) out += fmt::format("Sec-WebSocket-Protocol: {}\r\n", protocol);
    return out + "\r\n";
}

ClientHandshake::ClientHandshake(const Request& request, std::span<const std::byte, 16> nonce)
    : protocols_(request.protocols) {
    const auto key = base64({reinterpret_cast<const unsigned char*>(nonce.data()), nonce.size()});
    text_ = request_text(request, key);
    expected_ = accept_key(key);
}

Error ClientHandshake::fail(std::string what) {
    head_ = {};
    failed_ = refused(0, std::move(what));
    return *failed_;
}

Result<std::optional<ClientHandshake::Answer>> ClientHandshake::feed(std::span<const std::byte> in,
                                                                     std::size_t& consumed) {
    constexpr std::string_view end = "\r\n\r\n";
    consumed = 0;
    if (failed_) return *failed_;
    while (!done_ && consumed < in.size()) {
        const char c = static_cast<char>(in[consumed++]);
        if (++taken_ > max_head) return fail(fmt::format("answer's head above {} bytes", max_head));
        if (c == '\n' && ++lines_ > max_fields + 2) return fail(fmt::format("more than {} header fields", max_fields));
        head_ += c;
        end_have_ = c == end[end_have_] ? end_have_ + 1 : c == '\r' ? 1 : 0;
        if (end_have_ < end.size()) continue;
        end_have_ = lines_ = 0;
        auto answer = on_head();
        if (!answer || *answer) return answer;
    }
    return std::optional<Answer>();
}

/// One head is whole; those of 100 and 103 are only news.
Result<std::optional<ClientHandshake::Answer>> ClientHandshake::on_head() {
    const auto head = std::exchange(head_, {});
    std::string_view rest = head;
    const auto line = [&rest] {
        const auto one = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(one.size() + 2);
        return one;
    };
    Answer answer;
    answer.status = status_of(line());
    if (answer.status == 0) return fail("the answer is not HTTP/1.1");
    for (auto one = line(); !one.empty(); one = line()) {
        auto field = field_of(one);
        if (!field) return fail(field.error().what);
        answer.headers.push_back(std::move(*field));
    }
    if (answer.status < 200 && answer.status != 101) return std::optional<Answer>();
    if (answer.status == 101)
        if (auto fine = check_accepted(answer); !fine) return fail(fine.error().what);
    done_ = true;
    return std::optional<Answer>(std::move(answer));
}

Result<> ClientHandshake::check_accepted(Answer& answer) const {
    const auto fields = [&answer](std::string_view name) { return Fields(answer.headers, name); };
    if (!same_word(fields("upgrade").first(), "websocket")) return refused(0, "101 without Upgrade: websocket");
    if (!fields("connection").has("upgrade")) return refused(0, "101 without Connection: Upgrade");
    const auto accept = fields("sec-websocket-accept");
    if (accept.count() != 1 || accept.first() != expected_) return refused(0, "wrong Sec-WebSocket-Accept");
    const auto extensions = fields("sec-websocket-extensions");
    for (const auto value : extensions.values())
        if (!elements(value).empty()) return refused(0, "the server chose an extension that was not offered");
    const auto chosen = fields("sec-websocket-protocol");
    if (chosen.count() > 1) return refused(0, "the server chose more than one sub-protocol");
    if (chosen.count() == 1 && std::find(protocols_.begin(), protocols_.end(), chosen.first()) == protocols_.end())
        return refused(0, "the server chose a sub-protocol that was not offered");
    answer.protocol = chosen.first();
    return {};
}

}  // namespace weir::ws
