#include "proto/seal/seal.h"

#include <gtest/gtest.h>
#include <openssl/rand.h>

#include "base/text.h"

namespace weir::seal {
namespace {

std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out += static_cast<char>(hex_value(hex[i]) << 4 | hex_value(hex[i + 1]));
    return out;
}

const Secret& phrase() {
    static const Secret secret("pass phrase");
    return secret;
}

TEST(Seal, WhatWasSealedComesBack) {  // T2
    std::string plain(1024, '\0');
    ASSERT_EQ(RAND_bytes(reinterpret_cast<unsigned char*>(plain.data()), 1024), 1);
    const auto sealed = seal(plain, phrase());
    ASSERT_TRUE(sealed);
    EXPECT_EQ(sealed->size(), 14u + 16 + 12 + 1024 + 16);
    EXPECT_TRUE(is_sealed(*sealed));
    EXPECT_EQ(unseal(*sealed, phrase()).value(), plain);
}

TEST(Seal, SaltAndNonceAreNew) {
    const auto one = seal("same", phrase()).value(), two = seal("same", phrase()).value();
    EXPECT_NE(one.substr(14, 16), two.substr(14, 16));
    EXPECT_NE(one.substr(30, 12), two.substr(30, 12));
}

TEST(Seal, IsOfTheFormThatIsDocumented) {  // made with Python's hashlib and cryptography
    const auto sealed = from_hex(
        "776569722d7365616c65642d310a000102030405060708090a0b0c0d0e0f6465666768696a6b6c6d6e6f11e2aa942856d4545347876a3f"
        "964b"
        "fa27e0d08cfda70f1179a0e728");
    EXPECT_EQ(unseal(sealed, phrase()).value(), "some cookies");
}

TEST(Seal, AnotherSecretAndDamageAreDenied) {
    const auto sealed = seal("plain", phrase()).value();
    EXPECT_EQ(unseal(sealed, Secret("pass phrasE")).error().code, Errc::denied);
    for (const std::size_t at : {std::size_t{14}, std::size_t{30}, std::size_t{42}, sealed.size() - 1}) {
        auto damaged = sealed;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        EXPECT_EQ(unseal(damaged, phrase()).error().code, Errc::denied) << at;
    }
    EXPECT_EQ(unseal(sealed.substr(0, sealed.size() - 1), phrase()).error().code, Errc::denied);
}

TEST(Seal, WhatIsNotOfTheFormIsSaidToBeNone) {
    for (const auto& text : {std::string(), std::string("weir-sealed-2\n"), std::string("# Netscape"),
                             "weir-sealed-1\n" + std::string(43, 'x'), std::string((16u << 20) + 100, 'x')})
        EXPECT_EQ(unseal(text, phrase()).error().code, Errc::bad_input) << text.size();
    EXPECT_EQ(seal(std::string((16u << 20) + 1, 'x'), phrase()).error().code, Errc::bad_input);
}

TEST(Seal, ReadsTheReferencesForm) {  // FC2-123; made with Python's hashlib and cryptography
    const auto sealed = from_hex("000102030405060708090a0ba24938ed4589a92b532ac802f2bcf5ab2ede5fb423");
    EXPECT_EQ(unseal_reference(sealed, phrase()).value(), "a jar");
    EXPECT_EQ(unseal_reference(sealed, Secret("other")).error().code, Errc::denied);
    EXPECT_EQ(unseal_reference(sealed.substr(0, 27), phrase()).error().code, Errc::denied);
    EXPECT_EQ(unseal_reference("", phrase()).error().code, Errc::denied);
}

}  // namespace
}  // namespace weir::seal
