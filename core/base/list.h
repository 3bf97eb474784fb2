/* SPDX-License-Identifier: MIT
 *
 * list.h - an intrusive circular doubly linked list. A node belongs to at most one list; a node
 * that is in none points at itself, so unlinking twice is harmless.
 *
 * Thread: one at a time; the caller locks.
 */
#ifndef TOQ_CORE_BASE_LIST_H
#define TOQ_CORE_BASE_LIST_H

#include "core/base/base.h"

struct list {
    struct list *prev;
    struct list *next;
};

/* LIST_FOR_EACH walks `head` with `pos`; `tmp` lets the body unlink pos. */
#define LIST_FOR_EACH(pos, tmp, head)                                                              \
    for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                               \
         (pos) = (tmp), (tmp) = (pos)->next)

/* list_init makes `node` an empty list, or a node in none. */
static inline void list_init(struct list *node)
{
    node->prev = node;
    node->next = node;
}

/* list_is_empty tells whether a head has no nodes, or a node is in no list. */
static inline bool list_is_empty(const struct list *node)
{
    return node->next == node;
}

/* list_has_many tells whether a head has more nodes than one. */
static inline bool list_has_many(const struct list *head)
{
    return head->next->next != head;
}

/* list_push_back links `node`, which is in no list, at the end of `head`. */
static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* list_push_front links `node`, which is in no list, at the start of `head`. */
static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* list_unlink takes `node` out of its list, if it is in one. */
static inline void list_unlink(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* list_splice moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
