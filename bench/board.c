#include "bench/board.h"
#include "bench/digest.h"

#include <sys/mman.h>

static size_t aligned(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

int board_open(struct board *board, uint32_t publishers) {
    size_t head = aligned((size_t)publishers * sizeof *board->publisher);
    *board = (struct board){.publishers = publishers,
                            .bytes = head + (size_t)publishers * BOARD_DUE_COUNT * sizeof *board->due_ns};
    if (board->bytes == 0) return 0;
    void *memory = mmap(NULL, board->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        board->bytes = 0;
        return LEDIG_ENO_MEMORY;
    }
    board->publisher = memory;
    board->due_ns = (_Atomic int64_t *)((char *)memory + head);
    for (uint32_t i = 0; i < publishers; i++) {
        atomic_store(&board->publisher[i].asked, SEQUENCE_NONE);
        atomic_store(&board->publisher[i].acknowledged, SEQUENCE_NONE);
    }
    return 0;
}

void board_close(struct board *board) {
    if (board->bytes) munmap(board->publisher, board->bytes);
    *board = (struct board){0};
}

static _Atomic int64_t *due_at(const struct board *board, uint32_t publisher, int32_t sequence) {
    return &board->due_ns[(size_t)(sequence % BOARD_DUE_COUNT) * board->publishers + publisher];
}

void board_ask(struct board *board, uint32_t publisher, int32_t sequence, int64_t due_ns) {
    atomic_store_explicit(due_at(board, publisher, sequence), due_ns, memory_order_relaxed);
    atomic_store_explicit(&board->publisher[publisher].asked, sequence, memory_order_release);
}

void board_acknowledge(struct board *board, uint32_t publisher, int32_t sequence) {
    atomic_store_explicit(&board->publisher[publisher].acknowledged, sequence, memory_order_release);
}

int32_t board_asked(const struct board *board, uint32_t publisher) {
    return atomic_load_explicit(&board->publisher[publisher].asked, memory_order_acquire);
}

int32_t board_acknowledged(const struct board *board, uint32_t publisher) {
    return atomic_load_explicit(&board->publisher[publisher].acknowledged, memory_order_acquire);
}

int64_t board_due_ns(const struct board *board, uint32_t publisher, int32_t sequence) {
    int32_t oldest = board_asked(board, publisher) - BOARD_DUE_COUNT + 1;
    return atomic_load_explicit(due_at(board, publisher, sequence < oldest ? oldest : sequence), memory_order_relaxed);
}
