/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked list whose links live in the elements. */
#ifndef MX_BASE_LIST_H
#define MX_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The structure of @type whose @member is at @p. */
#define container_of(p, type, member)                                                              \
	({                                                                                         \
		char *member_ = (char *)(p);                                                       \
		(type *)(member_ - offsetof(type, member));                                        \
	})

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Takes @node out; it is left pointing to itself, so that removing it twice does no harm. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_for_each(pos, head)                                                                   \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* As list_for_each(); the element at @pos may be removed inside. */
#define list_for_each_safe(pos, head)                                                              \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);              \
		pos = pos##_next, pos##_next = pos->next)

#endif
