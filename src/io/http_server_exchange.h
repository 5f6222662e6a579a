#pragma once
// Inner part of the HTTP server: one request being answered.
#include <memory>
#include <optional>
#include <string>

#include "io/http_server_connection.h"

namespace weir::http_server {

using Headers = std::vector<std::pair<std::string, std::string>>;

class ClientExchange final : public Exchange {
public:
    ClientExchange(std::shared_ptr<Client> client, ParsedHead head);

    [[nodiscard]] const ServerRequest& request() const noexcept override { return head_.request; }
    Task<Result<Bytes>> read_body() override;
    Task<Result<BodyPiece>> read_piece() override;
    void set_body_timeout(Millis between_pieces) override { body_timeout_ = between_pieces; }
    Task<Result<std::string>> read_body_text(std::size_t limit) override;
    Task<Result<>> respond(int status, std::string_view content_type, Bytes body, Headers headers) override;
    Task<Result<>> begin_stream(int status, std::string_view content_type, Headers headers) override;
    Task<Result<>> write(Bytes piece) override;
    Task<Result<>> finish() override;
    Task<Result<>> event(std::string_view name, std::string_view data) override;
    std::unique_ptr<Connection> take() override;

    /// Where a path that is not clean is sent to; empty: it is clean.
    [[nodiscard]] const std::string& clean_target() const noexcept { return head_.clean_target; }
    /// After the handler: answers what it left unanswered, reads what little it left unread. True: another request may
    /// come.
    Task<bool> conclude(bool failed);
    Task<Result<>> respond_line(int status, std::string_view line, Headers headers = {});

private:
    enum class Body { none, counted, chunked, done, broken };
    enum class Answer { none, whole, streaming, finished, taken };

    [[nodiscard]] bool body_settled() const noexcept;
    [[nodiscard]] std::string head_text(int status, std::string_view content_type, const Headers& headers);
    Task<Result<>> more(SteadyTime by);
    Task<Result<>> say_continue();
    void make_room();
    void note_piece(std::size_t size) noexcept;
    [[nodiscard]] SteadyTime body_due() const;
    Result<std::optional<std::size_t>> take_some(std::span<std::byte> into);
    Result<> gather_piece(BodyPiece& piece);
    void hand_back(std::span<const std::byte> rest);
    Result<Bytes> next_piece();
    Task<Result<Bytes>> read_body_until(SteadyTime by);
    Task<Result<>> drain();
    Error broken(Error e);

    std::shared_ptr<Client> client_;
    ParsedHead head_;
    Body body_ = Body::none;
    Answer answer_ = Answer::none;
    std::uint64_t left_ = 0;  ///< of a counted body
    ChunkDecoder decoder_;
    Bytes raw_;                ///< received, framing still on
    Buffer buffer_{0};         ///< being filled; pieces handed out are slices of it
    std::size_t largest_ = 0;  ///< piece in it
    bool drained_ = false;     ///< the socket had nothing more behind the last piece
    std::optional<Error> body_error_;
    Millis body_timeout_;
    bool continue_owed_ = false, stay_ = false, chunked_answer_ = false;
};

}  // namespace weir::http_server
