/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the in-process agent and the engine say to each other: addresses, the ring's items, the
 * pages that they share. Included by freestanding code and by entry.S.
 *
 * The agent runs in the program's own processes, on its own stack. A system-call site that is hot
 * jumps to a stub, the stub to agent_entry. A leading version's agent makes the call and appends a
 * record to its group's ring; a following version's agent compares its call with the next record
 * and takes the results from it. What the agent does not know, or is not sure of, it hands on: the
 * stub's own system call then stops in ptrace as if there were no agent.
 *
 * Who may write what. The ring and the leader's control page: the leader's process, and the engine
 * while that is stopped. A follower's control page: that follower, and the engine. Everything read
 * from a page that another version can write is checked by its reader.
 */
#ifndef MX_AGENT_WIRE_H
#define MX_AGENT_WIRE_H

/* Addresses in every program that has an agent; below where any linker puts a program. */
#define AGENT_CODE	0x102000
#define AGENT_GATE	0x102040 /* the agent's own system calls: known to the pre-filter */
#define AGENT_ALLOWED	0x102042 /* where they return to */
#define AGENT_CODE_SIZE 0x4000
#define AGENT_TABLE	0x106000 /* struct agent_table */
#define AGENT_TABLE_MAX 0x2000
#define AGENT_CONTROL	0x108000 /* one page for each version, shared */
#define AGENT_PROCESS	0x10c000 /* struct agent_process, private */
#define AGENT_SLOTS	0x110000 /* struct agent_slot, one for each thread, private */
#define AGENT_NSLOTS	64
#define AGENT_SLOT_SIZE 0x1000
#define AGENT_STUBS_LOW 0x160000 /* stubs of programs that are linked at a low address */
#define AGENT_STUBS_MAX 0x10000
#define AGENT_RING	0x200000 /* mapped twice, so that no item wraps */
#define AGENT_RING_SIZE 0x100000
#define AGENT_END	0x400000

/* Offsets in struct agent_slot, for entry.S. */
#define SLOT_MODE    0
#define SLOT_IN_CALL 4
#define SLOT_RSP     8
#define SLOT_TOP     16
#define SLOT_RESULT  24
#define SLOT_SELF    32
#define SLOT_VERSION 40
#define SLOT_BACK    72
#define SLOT_NR	     80

/* What the shortest way looks at and counts: entry.S. */
#define CONTROL_SHIFT	  12 /* of a version's number: to its page */
#define CONTROL_ATTENTION 128
#define CONTROL_CALLS	  256
#define TABLE_FREE	  512

/* Of enum agent_mode, enum agent_in_call and enum agent_free, for entry.S. */
#define MODE_FREE     4
#define IN_CALL_QUICK 3
#define FREE_QUICK    9

/* What entry.S pushes: a struct agent_frame, and above it the registers that C code keeps. */
#define AGENT_FRAME_SIZE 64
#define AGENT_SAVED_SIZE 48

#define AGENT_BATCHED_SIZE 56

#define AGENT_VERSIONS 4
#define AGENT_CALLS    512

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* The beginning of the code. */
struct agent_header {
	uint32_t entry;	   /* stubs jump here */
	uint32_t bail;	   /* gives the call up that it is in: the stub's own one is made */
	uint32_t gate_end; /* from AGENT_ALLOWED to here rax holds the call's result */
	uint32_t batch;	   /* makes several calls for the engine */
};

/* A call of agent_batch's; its result stands in the place of its number. */
struct agent_batched {
	uint64_t nr, args[6];
};

enum agent_mode {
	AGENT_OFF,    /* every call goes by ptrace */
	AGENT_LEAD,   /* calls are made and recorded */
	AGENT_FOLLOW, /* calls are compared with the ring */
	AGENT_ALONE,  /* calls are made: no version follows */
	/* And none ever will: also those that the engine keeps account of. */
	AGENT_FREE = MODE_FREE,
};

enum agent_in_call {
	AGENT_IDLE,
	AGENT_MAKING, /* a record is begun, the call is not known to have returned */
	AGENT_MADE,   /* the call has returned, `result` is valid, the record is not complete */
	/* By the shortest way: `back` and `nr` are valid, the other registers are the program's. */
	AGENT_QUICK = IN_CALL_QUICK,
};

/* A thread's own, at its gs base. */
struct agent_slot {
	uint32_t mode;	  /* written by the engine */
	uint32_t in_call; /* enum agent_in_call */
	uint64_t rsp;	  /* the program's */
	uint64_t top;	  /* of the agent's stack */
	int64_t result;
	uint64_t self;	  /* its own address */
	uint32_t version; /* whose control page is its own */
	uint32_t leader;  /* FOLLOW: whose ring it is */
	uint64_t tuple;
	uint64_t at;   /* where in the ring its record began */
	uint64_t free; /* engine: it may read the time stamp counter */
	uint64_t back; /* AGENT_QUICK: rcx and rax at the entry */
	uint64_t nr;
	uint8_t stack[AGENT_SLOT_SIZE - 88];
};

/* The registers of a call, as agent_entry has pushed them. */
struct agent_frame {
	uint64_t r9, r8, r10, rdx, rsi, rdi, rax, rcx;
};

/* The next call goes by ptrace; a follower's, once its ring is empty. */
enum agent_attention {
	AGENT_AT_ONCE = 1, /* also one that stands at a barrier */
	AGENT_SOON = 2,	   /* ... not that one: it comes to its end */
};

#define AGENT_CLOCKS 16

/* Looks before a version sleeps: no more than so many, whatever its page says. */
#define AGENT_SPINS_MAX 65536

/* A version's page in its group: what one writes often and the other reads, each in a cache line.
 */
struct agent_control {
	/* The leader's. */
	_Alignas(64) uint64_t head; /* how much was ever put into the ring */
	uint64_t ask;		    /* which of its asks stands at `head`, not yet made; 0: none */
	/* The follower's. */
	_Alignas(64) uint64_t read; /* how much it has taken out */
	uint64_t vetted;	    /* a futex word: the last ask that is its next call too */
	/* The engine's. */
	_Alignas(64) uint32_t attention; /* enum agent_attention */
	uint32_t followers;		 /* whose `read` the leader minds, bit by bit */
	uint32_t awaited;		 /* for whom it waits at barriers */
	uint32_t many;	/* other threads have lately needed the turn of one that waits */
	uint32_t spins; /* versions have a CPU each: how often one looks before it sleeps */
	/* For who sleeps. */
	_Alignas(64) uint32_t waiting; /* it sleeps: a leader on `wake` or a follower's `vetted`, a
					  follower on the leader's `turn` */
	uint32_t wake; /* leader, a futex word: counts what the engine wakes it for */
	uint32_t turn; /* leader, a futex word: counts what the followers are woken for */
	/* For itself and the engine. */
	_Alignas(64) uint64_t calls; /* made or taken by the agent */
	uint64_t asks; /* leader: calls that it has asked the followers for, at a barrier */
	uint64_t naps; /* leader: for how many of them it slept */
	uint64_t room; /* leader: the ring is known to be free up to here */
	uint32_t late; /* leader: how many descriptors are late in all of its processes */
	uint32_t clocks_known;
	uint64_t seconds[AGENT_CLOCKS], nanos[AGENT_CLOCKS]; /* clocks as last told */
};

/* Numbers from this on are ptrace's, and so are more than so many at a time. */
#define AGENT_LATE_FDS 1024
#define AGENT_LATE_MAX 64

/*
 * What the leader's agent has opened and nobody else holds: mxm/late.h. The agent writes `n` and
 * the table; all is the engine's while the process is stopped.
 */
struct agent_late {
	uint32_t may; /* engine: it may open descriptors */
	uint32_t n;
	uint64_t fds[AGENT_LATE_FDS]; /* by number: 0, or agent_late_entry() */
};

/* A process's own; written by the engine. */
struct agent_process {
	uint64_t private_fds[16];  /* below 1024: opened by this version alone */
	uint64_t plain_epolls[16]; /* sets whose data is the same in all versions */
	/* Of its vDSO, 0: none; for threads that may read the time stamp counter. */
	uint64_t clock_gettime, gettimeofday, time;
	uint32_t identity; /* its ids are those that the program knows */
	struct agent_late late;
};

#define AGENT_LATE_IS	   1 /* so that none is 0 */
#define AGENT_LATE_CLOEXEC 2
#define AGENT_LATE_FILE	   4 /* a regular file */

/* The same in every version: where in the ring the descriptor was made, and what it is like. */
static inline uint64_t agent_late_entry(uint64_t at, uint64_t open_flags, int is_file)
{
	return (at & ~15ul) | AGENT_LATE_IS | (open_flags & 02000000 ? AGENT_LATE_CLOEXEC : 0) |
	       (is_file ? AGENT_LATE_FILE : 0);
}

enum agent_kind {
	AGENT_RECORD = 1, /* of a call */
	AGENT_MARK = 2,	  /* the engine's next event of the stream stands here */
	AGENT_KINDS = 0xff,
	AGENT_OF_FILE = 0x1000, /* of a record: what it has opened is a regular file */
};

/* Added by the engine to a record that a follower has had out of its turn. */
#define AGENT_TAKEN(version) (0x100u << (version))

/* An item of the ring; a multiple of 16 bytes. What follows a record: inputs, then outputs, in the
 * normal form of mxm/canon.h. */
struct agent_item {
	uint32_t size;
	uint16_t kind;
	uint16_t nr;
	uint64_t tuple;
};

struct agent_record {
	struct agent_item item;
	uint32_t in_len, out_len;
	int64_t result;
	uint64_t args[6]; /* of lseek the last is where it was, and 1; 0: a look */
};

/* How the agent treats an argument; from the system-call table. */
enum agent_arg_kind {
	AGENT_NONE,
	AGENT_FD,      /* a 32-bit value, and the descriptor that the call works on */
	AGENT_VALUE4,  /* a 32-bit value */
	AGENT_VALUE8,  /* a 64-bit value */
	AGENT_IN,      /* bytes, as many as argument `from` says */
	AGENT_PATH,    /* a string, of a file's name */
	AGENT_STRING,  /* any other string */
	AGENT_OUT,     /* `size` bytes */
	AGENT_INOUT,   /* `size` bytes, before and after */
	AGENT_OUT_RES, /* bytes, as many as the result says */
	AGENT_IOV_IN,
	AGENT_IOV_OUT,
	AGENT_ADDRESS, /* of a socket, out: NULL only */
	AGENT_NAME,    /* of a socket, in: NULL only */
	AGENT_LENGTH,  /* of a socket's address: NULL only */
	AGENT_EVENTS,  /* of epoll_wait */
	AGENT_MESSAGE, /* of sendmsg: no address, no control messages */
};

#define AGENT_BARRIER 1	 /* made when every follower has come to the same call */
#define AGENT_IDS     2	 /* its result is an id: by ptrace in a version without its own */
#define AGENT_OPENS   8	 /* its result is a descriptor, late until the engine hears of it */
#define AGENT_CLOSES  16 /* of a late one only */
#define AGENT_NAMES   4	 /* a file's name says whose call it is: only where that is empty */

#define AGENT_CLOCK_BY_ID                                                                          \
	255 /* its first argument says; those above the others are not remembered */

struct agent_row {
	uint8_t nargs;
	uint8_t flags;
	uint8_t clock_arg; /* 1 + the argument that a clock's value is written to; 0: no clock */
	uint8_t clock_words;
	uint8_t clock;	  /* which of the remembered ones, or AGENT_CLOCK_BY_ID */
	uint8_t wait_arg; /* 1 + the argument that says how long it may wait; 0: no such call */
	struct {
		uint8_t kind;
		int8_t from;
		uint16_t size;
	} args[6];
};

enum agent_free {
	AGENT_NOT_FREE,
	AGENT_FREE_PATH_LAST = 6,
	AGENT_FREE_IF_SAME_IDS, /* several paths */
	AGENT_FREE_ALWAYS,
	AGENT_FREE_QUICK = FREE_QUICK, /* always, and the kernel alone has the answer */
};

#define AGENT_ROWS	160
#define AGENT_NAMES_MAX 32

/* A call that always stands for another one. */
struct agent_name {
	uint16_t nr;
	uint8_t from[6]; /* 1 + the argument that it is; 0: the value */
	uint32_t values[6];
};

struct agent_table {
	uint8_t row_of[AGENT_CALLS]; /* 0: not the agent's */
	uint8_t free[AGENT_CALLS];   /* with AGENT_FREE: enum agent_free, or 1 + its path's place */
	uint8_t name_of[AGENT_CALLS]; /* 1 + its place in `names`; 0: it has its usual name */
	struct agent_name names[AGENT_NAMES_MAX];
	struct agent_row rows[AGENT_ROWS];
};

/* Longest inputs and outputs that are recorded inline, and what the engine's marks may need. */
#define AGENT_IN_MAX   65536
#define AGENT_PATH_MAX 4096
#define AGENT_OUT_MAX  262144
#define AGENT_RESERVE  131072

/* In the normal form, a buffer longer than this is its digest; one longer than that is the
 * engine's. */
#define AGENT_DIGEST_FROM 65536
#define AGENT_DIGEST_MAX  (4u << 20)

/* Multiplies and folds; the halves of the product make up for each other. */
static inline uint64_t agent_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ b) * 0xff51afd7ed558ccdul;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/*
 * A 128-bit digest for payloads that are too long to keep: four lanes, which the processor works on
 * at once. It tells what programs write by chance, not what is made to collide.
 */
static inline void agent_digest(const uint8_t *p, uint64_t len, uint64_t ret[2])
{
	uint64_t lanes[4] = { 0x9e3779b97f4a7c15ul ^ len, 0xc2b2ae3d27d4eb4ful,
		0x165667b19e3779f9ul, 0x85ebca77c2b2ae63ul };

	for (; len >= 32; p += 32, len -= 32) {
		for (int i = 0; i < 4; i++) {
			uint64_t w;

			__builtin_memcpy(&w, p + 8ul * i, 8);
			lanes[i] = agent_mix(lanes[i], w);
		}
	}
	for (; len; p++, len--)
		lanes[0] = agent_mix(lanes[0], *p);
	ret[0] = agent_mix(agent_mix(lanes[0], lanes[1] << 1 | lanes[1] >> 63),
		agent_mix(lanes[2], lanes[3] << 1 | lanes[3] >> 63));
	ret[1] = lanes[0] + 3 * lanes[1] + 5 * lanes[2] + 7 * lanes[3];
}

_Static_assert(sizeof(struct agent_slot) == AGENT_SLOT_SIZE, "a slot is a page");
_Static_assert(offsetof(struct agent_slot, version) == SLOT_VERSION, "as entry.S has it");
_Static_assert(offsetof(struct agent_slot, back) == SLOT_BACK, "as entry.S has it");
_Static_assert(offsetof(struct agent_slot, nr) == SLOT_NR, "as entry.S has it");
_Static_assert(offsetof(struct agent_control, attention) == CONTROL_ATTENTION, "likewise");
_Static_assert(offsetof(struct agent_control, calls) == CONTROL_CALLS, "likewise");
_Static_assert(offsetof(struct agent_table, free) == TABLE_FREE, "likewise");
_Static_assert(sizeof(struct agent_frame) == AGENT_FRAME_SIZE, "entry.S pushes as much");
_Static_assert(sizeof(struct agent_batched) == AGENT_BATCHED_SIZE, "entry.S goes on by as much");
_Static_assert(AGENT_PROCESS + sizeof(struct agent_process) <= AGENT_SLOTS, "it has its pages");
_Static_assert(sizeof(struct agent_table) <= AGENT_TABLE_MAX, "the table has its pages");
_Static_assert(sizeof(struct agent_record) % 16 == 0, "items are aligned");
#endif
#endif
