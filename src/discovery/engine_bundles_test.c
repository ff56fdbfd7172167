/* What OCI configurations say, and of whom they may say it. */
#include "discovery/engine_names.h"
#include "discovery/phases.h"

#include "test_alloc.h"

#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* init(1) - shim(10) - main(11) - worker(12), and other(20), which the shim has nothing to do with. */
struct machine {
    struct rn_map *map;
    struct rn_load load;
    struct rn_map_process *shim, *main, *worker, *other;
    struct rn_fact_blob blob;
};

static struct rn_map_process *process(struct machine *m, uint32_t pid,
                                      struct rn_map_process *parent)
{
    struct rn_map_process *p = rn_model_add_process(m->map, pid);

    p->parent = parent;
    return p;
}

static void machine_init(struct machine *m)
{
    *m = (struct machine){ 0 };
    assert_int_equal(rn_model_new(&m->map), RN_OK);
    rn_load_init(&m->load, m->map);
    m->shim = process(m, 10, process(m, 1, NULL));
    m->main = process(m, 11, m->shim);
    m->worker = process(m, 12, m->main);
    m->other = process(m, 20, NULL);
    m->load.engines = &m->blob;
    m->load.n_engines = 1;
}

static void machine_fini(struct machine *m)
{
    rn_model_free(m->map);
}

static void read_config(struct machine *m, const char *path, const char *config)
{
    m->blob = (struct rn_fact_blob){ .table = RN_ASK_BUNDLE,
                                     .kind = RN_ENGINE_CONTAINERD,
                                     .pid = m->shim->pid,
                                     .uid = m->blob.uid,
                                     .path = path,
                                     .bytes = rn_view_of(config, strlen(config)) };
    rn_engine_bundles(&m->load);
}

static struct rn_map_container *known_container(struct machine *m, struct rn_map_process *p)
{
    struct rn_map_container *c = rn_model_add_container(m->map);

    c->id = HEX;
    c->name = HEX;
    c->pod = "";
    c->process = p;
    p->container = c;
    return c;
}

static void test_annotations_name_containers_and_pods(void **state)
{
    struct rn_map_container *c;
    struct machine m;
    (void)state;
    machine_init(&m);
    c = known_container(&m, m.main);

    read_config(&m, "k8s.io/" HEX,
                "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"web\","
                "\"io.kubernetes.cri.sandbox-name\":\"shop-1\","
                "\"io.kubernetes.cri.sandbox-namespace\":\"prod\"}}");

    assert_string_equal(c->name, "web");
    assert_string_equal(c->pod, "prod/shop-1");
    assert_int_equal(c->engine_kind, RN_ENGINE_CONTAINERD);
    assert_false(c->is_privileged);
    machine_fini(&m);
}

static void test_container_of_a_namespace_of_its_own_bears_its_name(void **state)
{
    struct rn_map_container *c;
    struct machine m;
    (void)state;
    machine_init(&m);
    c = known_container(&m, m.main);

    read_config(&m, "build/" HEX, "{\"annotations\":{\"nerdctl/name\":\"web\"}}");

    assert_string_equal(c->name, "build/web");
    machine_fini(&m);
}

/* What lives below the shim is the container, whatever its control group is called. */
static void test_container_that_nobody_knew_is_what_lives_below_its_shim(void **state)
{
    struct machine m;
    (void)state;
    machine_init(&m);

    read_config(&m, "default/mine", "{\"annotations\":{\"nerdctl/name\":\"web\"}}");

    assert_int_equal(m.map->n_containers, 1);
    assert_ptr_equal(m.main->container, m.map->containers[0]);
    assert_ptr_equal(m.worker->container, m.map->containers[0]);
    assert_null(m.shim->container);
    assert_null(m.other->container);
    assert_string_equal(m.main->container->name, "web");
    machine_fini(&m);
}

/* An ordinary user starts a program under a helper's name, with a configuration of his own. */
static void test_user_names_nothing_but_what_he_started(void **state)
{
    struct rn_map_container *c;
    struct machine m;
    (void)state;
    machine_init(&m);
    c = known_container(&m, m.other);
    m.blob.uid = 1000;

    read_config(&m, "k8s.io/" HEX, "{\"annotations\":{\"nerdctl/name\":\"evil\"}}");

    assert_string_equal(c->name, HEX);
    assert_false(c->is_rootless);
    c->process = m.worker;
    read_config(&m, "default/" HEX, "{\"annotations\":{\"nerdctl/name\":\"mine\"}}");
    assert_string_equal(c->name, "mine");
    assert_true(c->is_rootless);
    machine_fini(&m);
}

static bool privileged(const char *config)
{
    json_t *doc = json_loads(config, 0, NULL);
    bool is = rn_oci_is_privileged(doc);

    json_decref(doc);
    return is;
}

static void test_privileged_is_all_devices_and_nothing_masked(void **state)
{
    (void)state;

    assert_true(privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":true}]}}}"));
    assert_true(privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":false},"
                           "{\"allow\":true,\"type\":\"a\"}]}}}"));
    assert_false(privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":true}]},"
                            "\"maskedPaths\":[\"/proc/kcore\"]}}"));
    assert_false(
        privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"major\":1}]}}}"));
    assert_false(
        privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"c\"}]}}}"));
    assert_false(privileged("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":\"yes\"}]}}}"));
    assert_false(privileged("{\"linux\":[]}"));
    assert_false(privileged("{}"));
    assert_false(privileged("[]"));
}

static void test_every_truncation_and_every_wrong_type_names_nothing(void **state)
{
    static const char whole[] =
        "{\"annotations\":{\"nerdctl/name\":\"web\"},\"linux\":{\"resources\":"
        "{\"devices\":[{\"allow\":true,\"type\":\"a\"}]}}}";
    static const char *const wrong[] = { "[]", "{\"annotations\":[]}",
                                         "{\"annotations\":{\"nerdctl/name\":7}}",
                                         "{\"annotations\":{\"nerdctl/name\":null},\"linux\":7}" };
    struct rn_map_container *c;
    struct machine m;
    (void)state;
    machine_init(&m);
    c = known_container(&m, m.main);

    for (size_t n = 0; n + 1 < sizeof(whole); n++) {
        char *cut = malloc(n + 1);

        memcpy(cut, whole, n);
        cut[n] = '\0';
        read_config(&m, "default/" HEX, cut);
        assert_string_equal(c->name, HEX);
        free(cut);
    }
    for (size_t i = 0; i < RN_ARRAY_LEN(wrong); i++) {
        read_config(&m, HEX, wrong[i]);
        assert_string_equal(c->name, HEX);
    }
    read_config(&m, "default/" HEX, whole);
    assert_string_equal(c->name, "web");
    assert_true(c->is_privileged);
    machine_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_annotations_name_containers_and_pods),
        cmocka_unit_test(test_container_of_a_namespace_of_its_own_bears_its_name),
        cmocka_unit_test(test_container_that_nobody_knew_is_what_lives_below_its_shim),
        cmocka_unit_test(test_user_names_nothing_but_what_he_started),
        cmocka_unit_test(test_privileged_is_all_devices_and_nothing_masked),
        cmocka_unit_test(test_every_truncation_and_every_wrong_type_names_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
