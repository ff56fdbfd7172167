#pragma once
/*
 * Intrusive doubly linked list. A node out of every list has next == NULL, so zero is a valid initial value
 * and "is it queued?" needs no flag. A head must be initialised.
 */
#include "base/bytes.h"

struct rn_list {
    struct rn_list *next;
    struct rn_list *prev;
};

static inline void rn_list_init(struct rn_list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool rn_list_is_empty(const struct rn_list *head)
{
    return head->next == head;
}

static inline bool rn_list_is_linked(const struct rn_list *node)
{
    return node->next != NULL;
}

static inline void rn_list_insert_before(struct rn_list *at, struct rn_list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void rn_list_push_back(struct rn_list *head, struct rn_list *node)
{
    rn_list_insert_before(head, node);
}

static inline void rn_list_push_front(struct rn_list *head, struct rn_list *node)
{
    rn_list_insert_before(head->next, node);
}

/* A no-op for a node that is in no list. */
static inline void rn_list_remove(struct rn_list *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
    node->prev = NULL;
}

static inline struct rn_list *rn_list_first(const struct rn_list *head)
{
    return head->next == head ? NULL : head->next;
}

static inline struct rn_list *rn_list_pop_front(struct rn_list *head)
{
    struct rn_list *node = rn_list_first(head);

    if (node != NULL)
        rn_list_remove(node);
    return node;
}

/* Moves all of @from to the end of @to; @from is empty afterwards. */
static inline void rn_list_splice_back(struct rn_list *to, struct rn_list *from)
{
    if (rn_list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    rn_list_init(from);
}

#define rn_list_entry(node, type, member) rn_container_of(node, type, member)
#define rn_list_for_each(it, head)        for ((it) = (head)->next; (it) != (head); (it) = (it)->next)
/* Safe against removing @it (only @it). */
#define rn_list_for_each_safe(it, tmp, head)                                                       \
    for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); (it) = (tmp), (tmp) = (it)->next)
