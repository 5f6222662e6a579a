#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/error.h"

namespace weir::aes {

using Block = std::array<std::byte, 16>;

/// AES-128-CBC with PKCS#7 padding, piece by piece, on OpenSSL (AES-NI where the machine has it).
/// errors   bad_input: length that is no multiple of 16, padding that is wrong (a damaged or cut segment, another key)
/// threads  one owner; pure
/// source   RFC 8216 4.3.2.4 and 5.2
class CbcDecrypt {
public:
    CbcDecrypt(const Block& key, const Block& iv);
    ~CbcDecrypt();
    CbcDecrypt(CbcDecrypt&&) noexcept;
    CbcDecrypt& operator=(CbcDecrypt&&) noexcept;

    /// The plain text that is certain by now; the last block waits for finish(), since only it is padded.
    [[nodiscard]] Result<Bytes> feed(std::span<const std::byte> cipher);
    /// The rest without its padding.
    [[nodiscard]] Result<Bytes> finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The IV of a segment whose key names none: its media sequence number, big-endian.
[[nodiscard]] Block iv_from_sequence(std::uint64_t sequence) noexcept;

/// For tests and for demo sources: the whole of `plain`, padded.
[[nodiscard]] Bytes cbc_encrypt(const Block& key, const Block& iv, std::span<const std::byte> plain);

}  // namespace weir::aes
