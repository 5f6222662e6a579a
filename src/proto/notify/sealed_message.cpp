#include "proto/notify/sealed_message.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "base/gzip.h"
#include "proto/notify/deliveries.h"

namespace weir::notify {
namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

Error sealing_failed(std::string_view what) {
    ERR_clear_error();
    return Error{Errc::internal, std::string(what)};
}

Result<std::string> encrypted(std::string_view plain, std::string_view key, std::string_view iv) {
    const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    std::string out(plain.size() + 16, '\0');
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    int first = 0, last = 0;
    const bool done =
        context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, bytes_of(key), bytes_of(iv)) == 1 &&
        EVP_EncryptUpdate(context.get(), to, &first, bytes_of(plain), static_cast<int>(plain.size())) == 1 &&
        EVP_EncryptFinal_ex(context.get(), to + first, &last) == 1;
    if (!done) return sealing_failed("AES failed");
    out.resize(static_cast<std::size_t>(first + last));
    return out;
}

}  // namespace

Result<std::string> sealed_message(std::string_view text, std::string_view key, std::string_view iv) {
    if (key.size() != 32 || iv.size() != 16) return sealing_failed("a key of 32 and an IV of 16 bytes are needed");
    const auto cipher = encrypted(gzipped(text, GzipEffort::small), key, iv);
    if (!cipher) return cipher.error();
    auto out = std::string(iv) + *cipher;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(out), out.size(), mac, &size))
        return sealing_failed("HMAC failed");
    out.append(reinterpret_cast<const char*>(mac), size);
    return base64(out);
}

}  // namespace weir::notify
