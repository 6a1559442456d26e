locals {
  topics    = [for product in local.products : product.topics.events]
  redriven  = [for product in local.products : product.topics.redrive]
  decisions = [for product in local.products : product.topics.decisions]
  refined   = ["silver", "quarantine", "duplicates", "held", "gold", "quality_results", "batches"]
  detected  = ["baseline", "evidence", "incidents", "ticks", "curves", "outbox"]
  told      = ["responses"] # what people say of incidents
  kept      = concat(["bronze", "command_log"], local.refined, local.detected, local.told)

  # One role each; what they name is what pipelines/jobs, pipelines/refine and pipelines/detect read and write.
  jobs = {
    bronze = {
      description = "Kafka to bronze"
      writes      = ["bronze"]
      checkpoints = ["bronze"]
      leases      = ["bronze"]
      topics_read = concat(local.topics, local.redriven)
    }
    refine = {
      description  = "Kafka to silver, gold and what was refused"
      writes       = local.refined
      checkpoints  = ["refine"]
      leases       = ["refine"]
      topics_read  = concat(local.topics, local.redriven, local.decisions)
      topics_write = local.decisions
    }
    detect = {
      description = "Gold to incidents"
      reads       = concat(local.refined, local.told, ["baseline", "audit_results"])
      writes      = ["evidence", "incidents", "ticks", "curves", "outbox"]
      leases      = ["detect"]
      topics_read = concat(local.topics, local.redriven)
      reports     = true
      alerts      = true
    }
    baseline = {
      description = "What is normal, learnt from gold"
      reads       = ["gold", "batches", "incidents", "responses"]
      writes      = ["baseline", "curves"]
    }
    publish = {
      description = "Gold that the audit has passed, for people's queries"
      reads       = concat(["bronze", "command_log"], local.refined)
      writes      = ["gold_published"]
      topics_read = concat(local.topics, local.redriven)
      registers   = true
    }
    audit = {
      description = "Whole layers judged, and the pages about it"
      reads       = concat(["gold_published"], local.kept)
      writes      = ["audit_results"]
      reports     = true
    }
    reconcile = {
      description = "The proof that every record has one place"
      reads       = concat(["bronze", "command_log"], local.refined)
      topics_read = concat(local.topics, local.redriven)
    }
    maintenance = {
      description = "Closed windows merged, files compacted, what is no longer referred to removed"
      writes      = concat(["maintenance", "audit_results", "gold_published", "cost"], local.kept)
      checkpoints = ["bronze", "refine"]
    }
    cost = {
      description = "What a day cost, from what is stored and what was run"
      reads       = concat(["gold_published", "audit_results"], local.kept)
      writes      = ["cost"]
      accounts    = true
    }
    live = {
      description  = "Bronze, refine and detect in one driver"
      reads        = concat(local.told, ["baseline", "audit_results"])
      writes       = concat(["bronze", "evidence", "incidents", "ticks", "curves", "outbox"], local.refined)
      checkpoints  = ["bronze", "refine"]
      leases       = ["bronze", "refine", "detect"]
      topics_read  = concat(local.topics, local.redriven, local.decisions)
      topics_write = local.decisions
      reports      = true
      alerts       = true
    }
    replay = {
      description = "Every table of a product from Kafka again"
      writes      = local.kept
      checkpoints = ["bronze", "refine"]
      leases      = ["bronze", "refine", "detect"]
      topics_read = concat(local.topics, local.redriven, local.decisions)
    }
  }
}
