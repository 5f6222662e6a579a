// Tokens. The first byte chooses: the rest is a token as it came; or the rest is header NUL payload, signed rightly, so that
// what lies behind the signature is reached too. A token that is accepted can be made again from its claims.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "proto/jwt/jwt.h"

namespace {

using namespace weir;

constexpr std::int64_t now = 1'900'000'000;
constexpr const char* public_pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEezUDWEPvUTPwvbuEY22zJ+hb8+A9\n"
    "0CR39ETbcKeYPv8JCyho4Butbvm+HsaZlT/MXRAxcs47XuYTZ4+uoMKtxg==\n"
    "-----END PUBLIC KEY-----\n";

void must(bool good) {
    if (!good) std::abort();
}

std::string url64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    std::erase(out, '=');
    for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return out;
}

std::string rightly_signed(std::string_view in, const std::string& secret) {
    const auto border = std::min(in.find('\0'), in.size());
    const auto text = url64(in.substr(0, border)) + "." + url64(in.substr(std::min(border + 1, in.size())));
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return text + "." + url64({reinterpret_cast<const char*>(mac), size});
}

void check(std::string_view token, const jwt::Key& key, const Secret& secret) {
    const auto got = jwt::verify(token, key, now);
    if (!got) {
        must(got.error().code == Errc::denied && !got.error().what.empty());
        return;
    }
    must(!got->expires || *got->expires > now);
    must(!got->not_before || *got->not_before <= now);
    const auto again = jwt::sign(*got, secret);
    if (again.size() > 8192) return;
    const auto second = jwt::verify(again, jwt::Key{secret, {}}, now);
    must(second && second->audience == got->audience && second->scopes == got->scopes && second->topic == got->topic);
    must(second->expires == got->expires && second->not_before == got->not_before && second->prefix == got->prefix);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view in(reinterpret_cast<const char*>(data + 1), size - 1);
    static const Secret secret("a shared secret");
    if (data[0] & 1) {
        check(rightly_signed(in, secret.reveal()), {secret, {}}, secret);
    } else {
        check(in, {secret, {}}, secret);
        check(in, {{}, public_pem}, secret);
    }
    return 0;
}
