"""Volumes, made before a StatefulSet asks for them."""

# A StatefulSet takes claims of these names for its own.
BROKER = "data-camunda-zeebe-0"
OURS = "spool-app-integrations-exporter-0"


def claim(namespace, image, *names):
    """
    Claim volumes that any user may write to.

    What provides volumes in a small cluster often leaves them to root, and doesn't care
    whose group the pod asks for.
    """
    namespace.apply(*map(_claim, names), _preparation(image, names))
    namespace.wait("preparation", "jsonpath={.status.phase}=Succeeded")
    namespace.kubectl("delete", "pod", "preparation")


def _claim(name):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def _preparation(image, names):
    places = [f"/volumes/{name}" for name in names]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "preparation"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "preparation",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["chmod", "0777", *places],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": [
                        {"name": name, "mountPath": place}
                        for name, place in zip(names, places, strict=True)
                    ],
                }
            ],
            "volumes": [
                {"name": name, "persistentVolumeClaim": {"claimName": name}}
                for name in names
            ],
        },
    }
