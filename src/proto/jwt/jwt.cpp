#include "proto/jwt/jwt.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <memory>

#include "base/text.h"

namespace weir::jwt {
namespace {

namespace json = boost::json;

constexpr std::size_t max_token = 8192, max_depth = 16;
constexpr int min_rsa_bits = 2048;
constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

template <auto F>
struct Free {
    void operator()(auto* p) const noexcept { F(p); }
};
using PKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

/// A failure here must not be found in the queue by the next TLS connection of this thread.
struct ClearErrors {
    ClearErrors() = default;
    ClearErrors(const ClearErrors&) = delete;
    ClearErrors& operator=(const ClearErrors&) = delete;
    ~ClearErrors() { ERR_clear_error(); }
};

Error denied(std::string what) {
    return Error{Errc::denied, std::move(what), "token"};
}

const unsigned char* raw(std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
}

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/// RFC 7515 appendix C: no padding, nothing else between; the bits left over are zero, so that a token has one spelling.
std::optional<std::string> from_base64url(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0, have = 0;
    for (const char c : text) {
        const int value = value_of(c);
        if (value < 0) return {};
        bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out += static_cast<char>(bits >> have & 0xff);
    }
    if (have >= 6 || (bits & ((1u << have) - 1)) != 0) return {};
    return out;
}

std::string to_base64url(std::string_view bytes) {
    std::string out;
    std::uint32_t bits = 0, have = 0;
    for (const char c : bytes) {
        bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
        for (have += 8; have >= 6;) out += letters[bits >> (have -= 6) & 63];
    }
    if (have > 0) out += letters[bits << (6 - have) & 63];
    return out;
}

enum class Family { hmac, rsa, ec };
struct Method {
    std::string_view name;
    Family family;
    const EVP_MD* (*digest)();
    std::string_view curve = {};
    std::size_t half = 0;  ///< bytes of r and of s
};
constexpr std::array<Method, 8> methods{{{"HS256", Family::hmac, EVP_sha256},
                                         {"HS384", Family::hmac, EVP_sha384},
                                         {"HS512", Family::hmac, EVP_sha512},
                                         {"RS256", Family::rsa, EVP_sha256},
                                         {"RS384", Family::rsa, EVP_sha384},
                                         {"RS512", Family::rsa, EVP_sha512},
                                         {"ES256", Family::ec, EVP_sha256, "prime256v1", 32},
                                         {"ES384", Family::ec, EVP_sha384, "secp384r1", 48}}};

std::string hmac(const EVP_MD* digest, const Secret& secret, std::string_view text) {
    std::string out(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    const auto& key = secret.reveal();
    WEIR_ASSERT(HMAC(digest, key.data(), static_cast<int>(key.size()), raw(text), text.size(),
                     reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
    out.resize(size);
    return out;
}

Bio reader_of(std::string_view pem) {
    return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<std::size_t>(pem.size(), 1u << 20))));
}

PKey read_public_key(std::string_view pem) {
    const auto bio = reader_of(pem);
    return PKey(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

PKey key_of_certificate(std::string_view pem) {
    const auto bio = reader_of(pem);
    const Certificate certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
    return PKey(certificate ? X509_get_pubkey(certificate.get()) : nullptr);
}

/// The key is of the kind, curve and strength that the method needs.
bool serves(const EVP_PKEY& key, const Method& method) {
    if (method.family == Family::rsa) return EVP_PKEY_is_a(&key, "RSA") == 1 && EVP_PKEY_get_bits(&key) >= min_rsa_bits;
    std::array<char, 64> curve{};
    std::size_t length = 0;
    return method.family == Family::ec && EVP_PKEY_is_a(&key, "EC") == 1 &&
           EVP_PKEY_get_group_name(&key, curve.data(), curve.size(), &length) == 1 &&
           std::string_view(curve.data(), length) == method.curve;
}

/// r and s side by side (RFC 7518 3.4) to the DER that OpenSSL wants; empty when they are of another length.
std::string to_der(std::string_view signature, std::size_t half) {
    if (signature.size() != 2 * half) return {};
    Number r(BN_bin2bn(raw(signature), static_cast<int>(half), nullptr));
    Number s(BN_bin2bn(raw(signature.substr(half)), static_cast<int>(half), nullptr));
    const Signature pair(ECDSA_SIG_new());
    if (!r || !s || !pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
    (void)r.release(), (void)s.release();  // the pair's now
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    if (size <= 0) return {};
    std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

bool signed_with(EVP_PKEY& key, const Method& method, std::string_view text, std::string_view signature) {
    const std::string der = method.family == Family::ec ? to_der(signature, method.half) : std::string(signature);
    const Context context(EVP_MD_CTX_new());
    return !der.empty() && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, method.digest(), nullptr, &key) == 1 &&
           EVP_DigestVerify(context.get(), raw(der), der.size(), raw(text), text.size()) == 1;
}

Result<> check_signature(const Method& method, const Key& key, std::string_view text, std::string_view signature) {
    const ClearErrors clear;
    const auto no_key = [&method] { return denied(fmt::format("signing method {} is invalid", method.name)); };
    if (method.family == Family::hmac) {
        if (key.secret.empty()) return no_key();
        const auto right = hmac(method.digest(), key.secret, text);
        if (right.size() == signature.size() && CRYPTO_memcmp(right.data(), signature.data(), right.size()) == 0)
            return {};
        return denied("signature is invalid");
    }
    if (key.public_pem.empty()) return no_key();
    const auto with = read_public_key(key.public_pem);
    if (!with) return denied("the public key to verify with cannot be read");
    if (!serves(*with, method)) return no_key();
    if (!signed_with(*with, method, text, signature)) return denied("signature is invalid");
    return {};
}

Result<json::object> object_of(std::string_view part, std::string_view name) {
    const auto text = from_base64url(part);
    if (!text) return denied(fmt::format("token is malformed: {} is not base64url", name));
    json::parse_options options;
    options.max_depth = max_depth;
    json::error_code error;
    auto value = json::parse(*text, error, {}, options);
    if (error || !value.is_object()) return denied(fmt::format("token is malformed: {} is no JSON object", name));
    return std::move(value.as_object());
}

/// Reads claims one after the other and keeps the first complaint.
class ClaimReader {
public:
    explicit ClaimReader(const json::object& o) : o_(o) {}
    [[nodiscard]] const std::string& complaint() const { return complaint_; }

    void read(std::string_view name, std::string& into) {
        if (const auto* v = o_.if_contains(name)) text(name, *v, into);
    }
    /// One string is a list of one (RFC 7519 4.1.3).
    void read(std::string_view name, std::vector<std::string>& into) {
        const auto* v = o_.if_contains(name);
        if (!v) return;
        if (const auto* list = v->if_array())
            for (const auto& one : *list) text(name, one, into.emplace_back());
        else
            text(name, *v, into.emplace_back());
    }
    /// NumericDate: whole seconds, or with a fraction.
    void read(std::string_view name, std::optional<std::int64_t>& into) {
        const auto* v = o_.if_contains(name);
        if (!v) return;
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        if (const auto* i = v->if_int64())
            into = *i;
        else if (v->is_uint64())
            into = most;
        else if (const auto* d = v->if_double(); d && std::isnan(*d))
            complain(name, "is not a number");  // "0e600" is read so
        else if (d)
            into = *d >= 9e18 ? most : *d <= -9e18 ? -most : static_cast<std::int64_t>(std::floor(*d));
        else
            complain(name, "is not a number");
    }

private:
    void complain(std::string_view name, std::string_view what) {
        if (complaint_.empty()) complaint_ = fmt::format("token has invalid claims: {} {}", name, what);
    }
    void text(std::string_view name, const json::value& v, std::string& into) {
        if (const auto* s = v.if_string())
            into.assign(s->data(), s->size());
        else
            complain(name, "is not a string");
    }

    const json::object& o_;
    std::string complaint_;
};

Result<Claims> claims_of(const json::object& from) {
    Claims claims;
    ClaimReader reader(from);
    reader.read("aud", claims.audience);
    reader.read("iat", claims.issued);
    reader.read("nbf", claims.not_before);
    reader.read("exp", claims.expires);
    reader.read("booking_id", claims.booking_id);
    reader.read("topic", claims.topic);
    reader.read("prefix", claims.prefix);
    reader.read("scopes", claims.scopes);
    if (!reader.complaint().empty()) return denied(reader.complaint());
    return claims;
}

Result<const Method*> method_of(const json::object& header) {
    // Extensions that must be understood, of which weir knows none (RFC 7515 4.1.11).
    if (header.if_contains("crit")) return denied("token has critical extensions");
    const auto* alg = header.if_contains("alg");
    const auto* name = alg ? alg->if_string() : nullptr;
    if (!name) return denied("signing method (alg) is unspecified");
    const std::string_view wanted(name->data(), name->size());
    const auto* found = std::find_if(methods.begin(), methods.end(), [wanted](auto& m) { return m.name == wanted; });
    if (found == methods.end()) {
        std::string shown;
        append_printable(shown, wanted.substr(0, 16));
        return denied(fmt::format("signing method {} is invalid", shown));
    }
    return found;
}

json::array array_of(const std::vector<std::string>& from) {
    json::array out;
    for (const auto& one : from) out.emplace_back(one);
    return out;
}

}  // namespace

Result<std::string> public_key_of(std::string_view pem) {
    const ClearErrors clear;
    const auto bad = [](const char* what) { return Error{Errc::bad_input, what}; };
    auto key = read_public_key(pem);
    if (!key) key = key_of_certificate(pem);
    if (!key) return bad("no public key and no certificate in PEM");
    if (!std::any_of(methods.begin(), methods.end(), [&](const auto& m) { return serves(*key, m); }))
        return bad("a key for RSA of at least 2048 bits, or on the curves P-256 or P-384, is needed");
    const Bio out(BIO_new(BIO_s_mem()));
    char* text = nullptr;
    if (!out || PEM_write_bio_PUBKEY(out.get(), key.get()) != 1) return bad("the public key cannot be taken");
    const auto size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

Result<Claims> verify(std::string_view token, const Key& key, std::int64_t now) {
    if (token.size() > max_token) return denied(fmt::format("token above {} bytes", max_token));
    if (std::count(token.begin(), token.end(), '.') != 2) return denied("token contains an invalid number of segments");
    const std::size_t one = token.find('.'), two = token.rfind('.');
    auto header = object_of(token.substr(0, one), "header");
    if (!header) return header.error();
    const auto method = method_of(*header);
    if (!method) return method.error();
    const auto signature = from_base64url(token.substr(two + 1));
    if (!signature) return denied("token is malformed: signature is not base64url");
    if (auto genuine = check_signature(**method, key, token.substr(0, two), *signature); !genuine)
        return genuine.error();

    auto payload = object_of(token.substr(one + 1, two - one - 1), "payload");
    if (!payload) return payload.error();
    auto claims = claims_of(*payload);
    if (!claims) return claims;
    if (claims->expires && now >= *claims->expires) return denied("Token is expired");
    if (claims->not_before && now < *claims->not_before) return denied("Token is not valid yet");
    return claims;
}

Result<std::string> payload_of(std::string_view token) {
    const auto bad = [](std::string what) { return Error{Errc::bad_input, std::move(what), "token"}; };
    if (token.size() > max_token) return bad(fmt::format("token above {} bytes", max_token));
    if (std::count(token.begin(), token.end(), '.') != 2) return bad("token contains an invalid number of segments");
    const std::size_t one = token.find('.'), two = token.rfind('.');
    auto part = token.substr(one + 1, two - one - 1);
    while (part.ends_with('=')) part.remove_suffix(1);
    auto payload = from_base64url(part);
    if (!payload) return bad("token is malformed: payload is not base64url");
    return std::move(*payload);
}

std::string sign(const Claims& claims, const Secret& secret) {
    json::object payload;
    if (!claims.audience.empty()) payload["aud"] = array_of(claims.audience);
    if (!claims.booking_id.empty()) payload["booking_id"] = claims.booking_id;
    if (claims.expires) payload["exp"] = *claims.expires;
    if (claims.issued) payload["iat"] = *claims.issued;
    if (claims.not_before) payload["nbf"] = *claims.not_before;
    if (!claims.prefix.empty()) payload["prefix"] = claims.prefix;
    if (!claims.scopes.empty()) payload["scopes"] = array_of(claims.scopes);
    if (!claims.topic.empty()) payload["topic"] = claims.topic;
    const auto text = to_base64url(R"({"alg":"HS256","typ":"JWT"})") + '.' + to_base64url(json::serialize(payload));
    return text + '.' + to_base64url(hmac(EVP_sha256(), secret, text));
}

}  // namespace weir::jwt
