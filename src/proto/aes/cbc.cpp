#include "proto/aes/cbc.h"

#include <openssl/evp.h>

#include <limits>
#include <new>

namespace weir::aes {
namespace {

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* c) const noexcept { EVP_CIPHER_CTX_free(c); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

unsigned char* raw(std::byte* p) {
    return reinterpret_cast<unsigned char*>(p);
}
const unsigned char* raw(const std::byte* p) {
    return reinterpret_cast<const unsigned char*>(p);
}

constexpr std::size_t step = 1u << 20;  // EVP counts in int

}  // namespace

struct CbcDecrypt::State {
    Context context{EVP_CIPHER_CTX_new()};
    std::uint64_t fed = 0;
};

CbcDecrypt::CbcDecrypt(const Block& key, const Block& iv) : state_(std::make_unique<State>()) {
    if (!state_->context) throw std::bad_alloc();
    WEIR_ASSERT(
        EVP_DecryptInit_ex(state_->context.get(), EVP_aes_128_cbc(), nullptr, raw(key.data()), raw(iv.data())) == 1);
}
CbcDecrypt::~CbcDecrypt() = default;
CbcDecrypt::CbcDecrypt(CbcDecrypt&&) noexcept = default;
CbcDecrypt& CbcDecrypt::operator=(CbcDecrypt&&) noexcept = default;

Result<Bytes> CbcDecrypt::feed(std::span<const std::byte> cipher) {
    Buffer plain(cipher.size() + 32);
    state_->fed += cipher.size();
    while (!cipher.empty()) {
        const auto part = cipher.subspan(0, std::min(cipher.size(), step));
        int made = 0;
        if (EVP_DecryptUpdate(state_->context.get(), raw(plain.spare().data()), &made, raw(part.data()),
                              static_cast<int>(part.size())) != 1)
            return Error{Errc::internal, "decryption failed"};
        plain.commit(static_cast<std::size_t>(made));
        cipher = cipher.subspan(part.size());
    }
    return plain.all();
}

Result<Bytes> CbcDecrypt::finish() {
    if (state_->fed == 0 || state_->fed % 16 != 0)
        return Error{Errc::bad_input, fmt::format("{} encrypted bytes are no whole number of blocks", state_->fed)};
    Buffer plain(32);
    int made = 0;
    if (EVP_DecryptFinal_ex(state_->context.get(), raw(plain.spare().data()), &made) != 1)
        return Error{Errc::bad_input, "the padding is wrong: a damaged segment or another key"};
    plain.commit(static_cast<std::size_t>(made));
    return plain.all();
}

Block iv_from_sequence(std::uint64_t sequence) noexcept {
    Block iv{};
    for (std::size_t i = 0; i < 8; ++i) iv[15 - i] = static_cast<std::byte>(sequence >> (8 * i));
    return iv;
}

Bytes cbc_encrypt(const Block& key, const Block& iv, std::span<const std::byte> plain) {
    const Context context(EVP_CIPHER_CTX_new());
    if (!context) throw std::bad_alloc();
    Buffer out(plain.size() + 32);
    int made = 0;
    WEIR_ASSERT(plain.size() < static_cast<std::size_t>(std::numeric_limits<int>::max()));
    WEIR_ASSERT(EVP_EncryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, raw(key.data()), raw(iv.data())) == 1);
    WEIR_ASSERT(EVP_EncryptUpdate(context.get(), raw(out.spare().data()), &made, raw(plain.data()),
                                  static_cast<int>(plain.size())) == 1);
    out.commit(static_cast<std::size_t>(made));
    WEIR_ASSERT(EVP_EncryptFinal_ex(context.get(), raw(out.spare().data()), &made) == 1);
    out.commit(static_cast<std::size_t>(made));
    return out.all();
}

}  // namespace weir::aes
