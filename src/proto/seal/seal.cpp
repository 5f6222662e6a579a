#include "proto/seal/seal.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

namespace weir::seal {
namespace {

constexpr std::string_view magic = "weir-sealed-1\n";
constexpr std::size_t salt_size = 16, nonce_size = 12, tag_size = 16, most_sealed = 16u << 20;
constexpr int rounds = 600'000, reference_rounds = 100'000;

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* c) const noexcept { EVP_CIPHER_CTX_free(c); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

/// A failure here must not be found in the queue by the next TLS connection of this thread.
struct NoErrorsLeft {
    NoErrorsLeft() = default;
    NoErrorsLeft(const NoErrorsLeft&) = delete;
    NoErrorsLeft& operator=(const NoErrorsLeft&) = delete;
    ~NoErrorsLeft() { ERR_clear_error(); }
};

const unsigned char* bytes_of(std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
}

unsigned char* bytes_of(std::string& s) {
    return reinterpret_cast<unsigned char*>(s.data());
}

int length_of(std::string_view s) {
    return static_cast<int>(s.size());  // of at most 16 MiB
}

/// Of 32 bytes, and wiped when it goes.
class DerivedKey {
public:
    DerivedKey(const Secret& secret, std::string_view salt, int times) {
        const auto& phrase = secret.reveal();
        WEIR_ASSERT(PKCS5_PBKDF2_HMAC(phrase.data(), length_of(phrase), bytes_of(salt), length_of(salt), times,
                                      EVP_sha256(), static_cast<int>(key_.size()), key_.data()) == 1);
    }
    ~DerivedKey() { OPENSSL_cleanse(key_.data(), key_.size()); }
    DerivedKey(const DerivedKey&) = delete;
    DerivedKey& operator=(const DerivedKey&) = delete;
    [[nodiscard]] const unsigned char* data() const noexcept { return key_.data(); }

private:
    std::array<unsigned char, 32> key_{};
};

std::string encrypted(std::string_view plain, const DerivedKey& key, std::string_view nonce) {
    const Cipher cipher(EVP_CIPHER_CTX_new());
    std::string out(plain.size(), '\0'), tag(tag_size, '\0');
    int made = 0, rest = 0;
    WEIR_ASSERT(cipher &&
                EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), bytes_of(nonce)) == 1);
    WEIR_ASSERT(EVP_EncryptUpdate(cipher.get(), bytes_of(out), &made, bytes_of(plain), length_of(plain)) == 1);
    WEIR_ASSERT(EVP_EncryptFinal_ex(cipher.get(), bytes_of(out) + made, &rest) == 1);
    WEIR_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(tag_size), tag.data()) == 1);
    return out + tag;
}

/// `sealed`: nonce, ciphertext, tag.
Result<std::string> decrypted(std::string_view sealed, const DerivedKey& key) {
    const NoErrorsLeft clear;
    const auto nonce = sealed.substr(0, nonce_size);
    const auto text = sealed.substr(nonce_size, sealed.size() - nonce_size - tag_size);
    std::string tag(sealed.substr(sealed.size() - tag_size)), out(text.size(), '\0');
    const Cipher cipher(EVP_CIPHER_CTX_new());
    int made = 0, rest = 0;
    WEIR_ASSERT(cipher &&
                EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), bytes_of(nonce)) == 1);
    const bool genuine =
        EVP_DecryptUpdate(cipher.get(), bytes_of(out), &made, bytes_of(text), length_of(text)) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag_size), tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), bytes_of(out) + made, &rest) == 1;
    if (genuine) return out;
    OPENSSL_cleanse(out.data(), out.size());
    return Error{Errc::denied, "sealed with another secret, or damaged"};
}

Error too_large() {
    return Error{Errc::bad_input, fmt::format("above {} bytes", most_sealed)};
}

}  // namespace

Result<std::string> seal(std::string_view plain, const Secret& secret) {
    if (plain.size() > most_sealed) return too_large();
    std::string random(salt_size + nonce_size, '\0');
    if (RAND_bytes(bytes_of(random), length_of(random)) != 1) {
        const NoErrorsLeft clear;
        return Error{Errc::internal, "no random numbers to seal with"};
    }
    const auto salt = std::string_view(random).substr(0, salt_size), nonce = std::string_view(random).substr(salt_size);
    return fmt::format("{}{}{}", magic, random, encrypted(plain, DerivedKey(secret, salt, rounds), nonce));
}

bool is_sealed(std::string_view text) noexcept {
    return text.starts_with(magic);
}

Result<std::string> unseal(std::string_view sealed, const Secret& secret) {
    if (sealed.size() > most_sealed + magic.size() + salt_size + nonce_size + tag_size) return too_large();
    if (!is_sealed(sealed)) return Error{Errc::bad_input, "not a sealed file of ours"};
    sealed.remove_prefix(magic.size());
    if (sealed.size() < salt_size + nonce_size + tag_size) return Error{Errc::bad_input, "a sealed file that was cut"};
    return decrypted(sealed.substr(salt_size), DerivedKey(secret, sealed.substr(0, salt_size), rounds));
}

Result<std::string> unseal_reference(std::string_view sealed, const Secret& secret) {
    if (sealed.size() > most_sealed || sealed.size() < nonce_size + tag_size)
        return Error{Errc::denied, "not sealed by the reference"};
    const std::string zeros(salt_size, '\0');
    return decrypted(sealed, DerivedKey(secret, zeros, reference_rounds));
}

}  // namespace weir::seal
