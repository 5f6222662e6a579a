#include "proto/aes/cbc.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::aes {
namespace {

Block block(std::string_view hex) {
    Block out{};
    for (std::size_t i = 0; i < 16; ++i)
        out[i] = static_cast<std::byte>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
    return out;
}

const Block key = block("2b7e151628aed2a6abf7158809cf4f3c");
const Block iv = block("000102030405060708090a0b0c0d0e0f");

TEST(CbcDecrypt, NistVector) {
    // SP 800-38A F.2.1, first block; the padding block comes from ourselves.
    const auto plain = block("6bc1bee22e409f96e93d7e117393172a");
    const auto cipher = cbc_encrypt(key, iv, plain);
    const auto expected = block("7649abac8119b246cee98e9b12e9197d");
    ASSERT_EQ(cipher.size(), 32u);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), cipher.view().begin()));
}

TEST(CbcDecrypt, AnyPiecesGiveTheSameText) {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7);
    const auto cipher = cbc_encrypt(key, iv, std::as_bytes(std::span(text)));
    for (const std::size_t piece : {1u, 15u, 16u, 17u, 1000u, 100'000u}) {
        CbcDecrypt decrypt(key, iv);
        std::string out;
        for (std::size_t at = 0; at < cipher.size(); at += piece) {
            auto part = decrypt.feed(cipher.view().subspan(at, std::min(piece, cipher.size() - at)));
            ASSERT_TRUE(part.has_value());
            out += part->text();
        }
        auto rest = decrypt.finish();
        ASSERT_TRUE(rest.has_value()) << rest.error().what;
        EXPECT_EQ(out + std::string(rest->text()), text) << piece;
    }
}

TEST(CbcDecrypt, CutAndWrongKeyAreErrors) {
    const auto cipher = cbc_encrypt(key, iv, std::as_bytes(std::span(std::string_view("sixteen bytes and some more"))));
    {
        CbcDecrypt d(key, iv);
        ASSERT_TRUE(d.feed(cipher.view().first(20)).has_value());
        EXPECT_EQ(d.finish().error().what, "20 encrypted bytes are no whole number of blocks");
    }
    {
        CbcDecrypt d(key, iv);
        EXPECT_EQ(d.finish().error().code, Errc::bad_input);
    }
    {
        CbcDecrypt d(iv, iv);
        ASSERT_TRUE(d.feed(cipher.view()).has_value());
        EXPECT_EQ(d.finish().error().what, "the padding is wrong: a damaged segment or another key");
    }
}

TEST(CbcDecrypt, IvFromSequenceIsBigEndian) {
    EXPECT_EQ(iv_from_sequence(0x0102), block("00000000000000000000000000000102"));
}

}  // namespace
}  // namespace weir::aes
